// A row of thumbnails, of which one is selected. Arrow keys move the selection.
//
// items     {title, detail, color}
// paint     sets the picture of a thumbnail: (element, item)
// select    called with the position of an item that was clicked
// hover     called with the position of the item under the pointer, or -1
function fillStrip(strip, items, selected, { paint, select, hover = () => {} }) {
  strip.replaceChildren(
    ...items.map((item, position) => {
      const button = document.createElement("button")
      button.type = "button"
      button.role = "option"
      button.title = `${item.title} ${item.detail}`
      button.style.setProperty("--color", item.color)
      const [picture, title, detail] = ["span", "span", "span"].map((tag) => document.createElement(tag))
      title.textContent = item.title
      detail.textContent = item.detail
      paint(picture, item)
      picture.ariaHidden = "true"
      button.append(picture, title, " ", detail)
      button.onclick = () => select(position)
      // Not after a tap or a click, which would leave the others dimmed.
      button.onpointerenter = ({ pointerType }) => pointerType === "mouse" && hover(position)
      button.onfocus = () => button.matches(":focus-visible") && hover(position)
      button.onpointerleave = button.onblur = () => hover(-1)
      return button
    }),
  )
  strip.onkeydown = (event) => {
    const last = items.length - 1
    const now = [...strip.children].indexOf(event.target)
    const next = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: last }[event.key]
    if (next === undefined || next < 0 || next > last) return
    event.preventDefault()
    strip.children[next].focus()
    select(next)
  }
  markSelected(strip, selected)
}

function markSelected(strip, selected) {
  // The keyboard reaches one thumbnail; the selected one may be on another page.
  const reachable = selected in strip.children ? selected : 0
  ;[...strip.children].forEach((button, position) => {
    button.ariaSelected = position === selected
    button.tabIndex = position === reachable ? 0 : -1
  })
  const button = strip.children[selected]
  if (!button) return
  // Only the strip scrolls, not the page.
  const end = button.offsetLeft + button.offsetWidth - strip.offsetLeft
  if (end > strip.scrollLeft + strip.clientWidth || button.offsetLeft - strip.offsetLeft < strip.scrollLeft) {
    strip.scrollLeft = end - strip.clientWidth / 2
  }
}
