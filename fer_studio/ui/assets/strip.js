// Fills a row of thumbnails, one of which is selected. The arrow keys move the selection.
//
// items     {title, detail, color} of each thumbnail
// selected  the position of the selected item
// paint     sets the picture of a thumbnail: (element, item)
// select    called with the position of an item that is clicked or reached with a key
// hover     called with the position of the item under the mouse or with the focus; -1 if there is none
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
      // Only for the mouse and for the keyboard's focus: after a tap, the photo's other faces would stay
      // dimmed.
      button.onpointerenter = ({ pointerType }) => pointerType === "mouse" && hover(position)
      button.onfocus = () => button.matches(":focus-visible") && hover(position)
      button.onpointerleave = button.onblur = () => hover(-1)
      return button
    }),
  )
  strip.onkeydown = (event) => {
    const last = items.length - 1
    const current = [...strip.children].indexOf(event.target)
    const next = { ArrowLeft: current - 1, ArrowRight: current + 1, Home: 0, End: last }[event.key]
    if (next === undefined || next < 0 || next > last) return
    event.preventDefault()
    strip.children[next].focus()
    select(next)
  }
  markSelected(strip, selected)
}

function markSelected(strip, selected) {
  // The Tab key reaches one thumbnail only: the selected one, or the first if the strip does not contain the
  // selected one.
  const reachable = selected in strip.children ? selected : 0
  ;[...strip.children].forEach((button, position) => {
    button.ariaSelected = position === selected
    button.tabIndex = position === reachable ? 0 : -1
  })
  const button = strip.children[selected]
  if (!button) return
  // Scrolls the strip to the selected thumbnail; scrollIntoView would also scroll the page.
  const end = button.offsetLeft + button.offsetWidth - strip.offsetLeft
  if (end > strip.scrollLeft + strip.clientWidth || button.offsetLeft - strip.offsetLeft < strip.scrollLeft) {
    strip.scrollLeft = end - strip.clientWidth / 2
  }
}
