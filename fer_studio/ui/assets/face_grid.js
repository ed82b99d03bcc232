// Faces in an even grid. A click on a face opens it; faces can have checkboxes and be in groups.
//
// data.groups    lists of faces: {row, image, caption, name, mark, color, isSelected}; isSelected is null
//                if there is no checkbox
// data.isGrouped true to draw a frame around each group
// data.hidden    by group, the text about faces that are not drawn; may be empty
//
// Sends "opened", the row of the face that was clicked, and "toggled", the row and whether it is selected
// now.
const STATES = new WeakMap()

export default function ({ data, parentElement, setTriggerValue }) {
  const grid = parentElement.querySelector(".faces")
  const send = {
    open: (row) => setTriggerValue("opened", row),
    toggle: (row, isSelected) => setTriggerValue("toggled", [row, isSelected]),
  }
  const drawn = JSON.stringify(data)
  const state = STATES.get(parentElement) ?? { observer: new ResizeObserver(() => align(grid)) }
  if (!STATES.has(parentElement)) {
    STATES.set(parentElement, state)
    state.observer.observe(grid)
  }
  const leave = () => {
    state.observer.disconnect()
    STATES.delete(parentElement)
  }
  // Only what has changed is drawn again, so that the focus stays.
  if (state.drawn === drawn) return leave
  const structure = JSON.stringify(data.groups.map((group) => group.map((face) => face.row)))
  if (state.structure === structure) {
    data.groups.flat().forEach((face, index) => fill(state.tiles[index], face))
  } else {
    state.tiles = []
    grid.replaceChildren(
      ...data.groups.flatMap((group, number) => {
        const tiles = group.map((face) => tile(face, send))
        state.tiles.push(...tiles)
        return data.isGrouped ? [framed(tiles, data.hidden[number])] : tiles
      }),
    )
  }
  grid.classList.toggle("grouped", data.isGrouped)
  align(grid)
  state.drawn = drawn
  state.structure = structure
  return leave
}

// Makes every group as wide as its faces, in whole columns of the grid.
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
  const part = created("div", "tile")
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
      part.classList.toggle("selected", box.checked)
      send.toggle(face.row, box.checked)
    }
    const label = created("label")
    label.append(box)
    picture.append(label)
  }
  part.append(picture, created("div", "caption"), created("div", "mark"))
  fill(part, face)
  return part
}

function fill(part, face) {
  const image = part.querySelector("img")
  if (image.getAttribute("src") !== face.image) image.src = face.image
  image.alt = face.name
  part.querySelector(".face").title = face.name
  const caption = part.querySelector(".caption")
  caption.textContent = face.caption
  caption.style.setProperty("--dot", face.color || "transparent")
  caption.classList.toggle("dotted", Boolean(face.color))
  part.querySelector(".mark").textContent = face.mark
  const box = part.querySelector("input")
  if (box) {
    box.checked = face.isSelected
    box.setAttribute("aria-label", face.caption)
  }
  part.classList.toggle("selected", Boolean(face.isSelected))
  part.classList.toggle("decided", Boolean(face.mark))
}

function created(name, className = "") {
  const element = document.createElement(name)
  if (className) element.className = className
  return element
}
