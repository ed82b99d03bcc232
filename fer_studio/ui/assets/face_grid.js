// A grid of faces. A click on a face opens it; faces can have checkboxes and be in groups.
//
// data.groups    the faces of each group: {row, image, caption, detail, name, mark, color, isSelected}, as
//                FaceTile in face_grid.py describes them; isSelected is null if there is no checkbox
// data.isGrouped true to draw a frame around each group
// data.hidden    for each group, a text about faces that are not drawn; empty if all are drawn
//
// Sends "opened", the row of a clicked face, and "toggled", the row of a face and whether its checkbox is
// checked now.

// The state of each grid on the page, by the element that contains it.
const STATES = new WeakMap()

export default function ({ data, parentElement, setTriggerValue }) {
  const grid = parentElement.querySelector(".faces")
  const send = {
    open: (row) => setTriggerValue("opened", row),
    toggle: (row, isSelected) => setTriggerValue("toggled", [row, isSelected]),
  }
  const content = JSON.stringify(data)
  const state = STATES.get(parentElement) ?? { observer: new ResizeObserver(() => align(grid)) }
  if (!STATES.has(parentElement)) {
    STATES.set(parentElement, state)
    state.observer.observe(grid)
  }
  const cleanUp = () => {
    state.observer.disconnect()
    STATES.delete(parentElement)
  }
  // If the grid shows the same faces as before, their elements are updated and not replaced, so that the
  // focus stays.
  if (state.content === content) return cleanUp
  const structure = JSON.stringify(data.groups.map((group) => group.map((face) => face.row)))
  if (state.structure === structure) {
    data.groups.flat().forEach((face, index) => fill(state.tiles[index], face))
  } else {
    const previousRows = new Set(state.rows)
    state.tiles = []
    state.rows = data.groups.flat().map((face) => face.row)
    const isOtherPage = previousRows.size > 0 && !state.rows.some((row) => previousRows.has(row))
    grid.replaceChildren(
      ...data.groups.flatMap((group, number) => {
        const tiles = group.map((face) => tile(face, send))
        state.tiles.push(...tiles)
        return data.isGrouped ? [framed(tiles, data.hidden[number])] : tiles
      }),
    )
    // The page numbers may be below the faces, so the browser scrolls to the first face of the new page. If
    // some faces remain, for example after a decision about one of them, it does not scroll.
    if (isOtherPage && grid.getBoundingClientRect().top < 0) grid.scrollIntoView()
  }
  grid.classList.toggle("grouped", data.isGrouped)
  align(grid)
  state.content = content
  state.structure = structure
  return cleanUp
}

// Makes every group as many columns wide as it has faces, but not wider than the grid.
function align(grid) {
  const columns = getComputedStyle(grid).gridTemplateColumns.split(" ").length
  for (const frame of grid.querySelectorAll(".group")) {
    frame.style.gridColumn = `span ${Math.min(Number(frame.dataset.count), columns)}`
  }
}

function framed(tiles, hidden) {
  const frame = created("div", "group")
  frame.setAttribute("role", "group")
  frame.dataset.count = tiles.length
  frame.append(...tiles)
  if (hidden) {
    const note = created("div", "caption")
    note.textContent = hidden
    frame.append(note)
  }
  return frame
}

function tile(face, send) {
  const tileElement = created("div", "tile")
  const picture = created("div", "picture")
  const button = created("button", "face")
  button.type = "button"
  button.onclick = () => send.open(face.row)
  button.append(created("img"))
  picture.append(button)
  if (face.isSelected !== null) {
    const box = created("input")
    box.type = "checkbox"
    box.onchange = () => {
      tileElement.classList.toggle("selected", box.checked)
      send.toggle(face.row, box.checked)
    }
    const label = created("label")
    label.append(box)
    picture.append(label)
  }
  picture.append(created("div", "mark"))
  tileElement.append(picture, created("div", "caption"), created("div", "detail"))
  fill(tileElement, face)
  return tileElement
}

// Updates the elements of a tile.
function fill(tileElement, face) {
  const image = tileElement.querySelector("img")
  if (image.getAttribute("src") !== face.image) image.src = face.image
  image.alt = face.name
  tileElement.querySelector(".face").title = face.name
  const caption = tileElement.querySelector(".caption")
  caption.textContent = face.caption
  caption.style.setProperty("--dot", face.color || "transparent")
  caption.classList.toggle("dotted", Boolean(face.color))
  tileElement.querySelector(".detail").textContent = face.detail
  tileElement.querySelector(".mark").textContent = face.mark
  const box = tileElement.querySelector("input")
  if (box) {
    box.checked = face.isSelected
    box.setAttribute("aria-label", [face.caption, face.detail].filter(Boolean).join(" · "))
  }
  tileElement.classList.toggle("selected", Boolean(face.isSelected))
  tileElement.classList.toggle("decided", Boolean(face.mark))
}

function created(name, className = "") {
  const element = document.createElement(name)
  if (className) element.className = className
  return element
}
