// A photo with a box for each face, and its faces as a row of thumbnails; a click or an arrow key selects a
// face.
//
// data.picture   the photo as a data URL
// data.alt       the description of the photo
// data.width     the width of the photo in pixels
// data.height    the height of the photo in pixels
// data.faces     {box: [x, y, width, height] as shares of the photo, label, color, text, isDot,
//                title, detail}; "text" is the text color of the label, "isDot" is true for a face that
//                is too small for a box and cannot be selected
// data.selected  the position of the selected face among those that can be selected
//
// Sends "chosen", the position of the face that the user selects, among those that can be selected.

// The state of each photo on the page, by the element that contains it.
const VIEWS = new WeakMap()

export default function ({ data, parentElement, setTriggerValue }) {
  const view = VIEWS.get(parentElement) ?? newView(parentElement)
  VIEWS.set(parentElement, view)
  const photo = parentElement.querySelector(".photo")
  const overlay = photo.querySelector("div")
  const strip = parentElement.querySelector(".strip")
  const selectable = data.faces.filter((face) => !face.isDot)
  const isChoice = selectable.length > 1

  if (view.source !== data.picture) {
    URL.revokeObjectURL(view.url)
    view.source = data.picture
    view.url = URL.createObjectURL(blobOf(data.picture))
    photo.querySelector("img").src = view.url
  }
  photo.querySelector("img").alt = data.alt
  photo.style.setProperty("--aspect", data.width / data.height)
  overlay.classList.toggle("is-choice", isChoice)

  // The faces are drawn again if they or the photo, which their thumbnails show, have changed; the length of
  // the photo's data URL is enough to notice this. Otherwise only the selection is updated, so that the focus
  // stays.
  const content = JSON.stringify([data.faces, data.picture.length])
  const select = (position) => {
    mark(overlay, "is-selected", position)
    markSelected(strip, position)
    setTriggerValue("chosen", position)
  }
  const hover = (position) => {
    mark(overlay, "is-hovered", position)
    overlay.classList.toggle("is-hovering", position >= 0)
  }
  if (view.content !== content) {
    view.content = content
    overlay.replaceChildren(...dots(data.faces), ...boxesAndLabels(selectable, isChoice, select, hover))
    strip.hidden = !isChoice
    const paint = (element, face) => paintFace(element, face, view.url, data)
    fillStrip(strip, isChoice ? selectable : [], data.selected, { paint, select, hover })
  } else {
    markSelected(strip, data.selected)
  }
  mark(overlay, "is-selected", data.selected)
  view.placeLabels = () => placeLabels(overlay, selectable)
  view.placeLabels()
  return () => {
    view.observer.disconnect()
    URL.revokeObjectURL(view.url)
    VIEWS.delete(parentElement)
  }
}

function newView(parent) {
  const view = { source: "", url: "", content: "", placeLabels: () => {} }
  view.observer = new ResizeObserver(() => view.placeLabels())
  view.observer.observe(parent.querySelector(".photo"))
  return view
}

function blobOf(dataUrl) {
  const [head, body] = dataUrl.split(",")
  const bytes = Uint8Array.from(atob(body), (letter) => letter.charCodeAt(0))
  return new Blob([bytes], { type: head.slice("data:".length, head.indexOf(";")) })
}

function element(className, face) {
  const created = document.createElement("div")
  created.className = className
  created.style.setProperty("--color", face.color)
  return created
}

function dots(faces) {
  return faces
    .filter((face) => face.isDot)
    .map((face) => {
      const [x, y, width, height] = face.box
      const dot = element("dot", face)
      dot.style.left = `${100 * (x + width / 2)}%`
      dot.style.top = `${100 * (y + height / 2)}%`
      dot.title = face.label
      return dot
    })
}

// Returns the boxes and, to be drawn above all boxes, the labels.
function boxesAndLabels(faces, isChoice, select, hover) {
  const faceBoxes = faces.map((face, position) => {
    const box = element("box", face)
    ;["left", "top", "width", "height"].forEach((side, index) => {
      box.style[side] = `${100 * face.box[index]}%`
    })
    box.dataset.face = position
    if (isChoice) {
      box.onclick = () => select(position)
      box.onpointerenter = ({ pointerType }) => pointerType === "mouse" && hover(position)
      box.onpointerleave = () => hover(-1)
    }
    return box
  })
  const labels = faces.map((face, position) => {
    const label = element("label", face)
    label.style.setProperty("--text", face.text)
    label.textContent = face.label
    label.dataset.face = position
    return label
  })
  return [...faceBoxes, ...labels]
}

// Gives a CSS class to the box and the label of one face only; to none if the position is -1.
function mark(overlay, className, position) {
  for (const child of overlay.children) {
    child.classList.toggle(className, child.dataset.face === String(position))
  }
}

// Places each label above, below or inside its box; the largest faces first. A label that would cover
// another one, or more than 20 % of another face, is hidden until its face is hovered or selected.
function placeLabels(overlay, faces) {
  const [width, height] = [overlay.clientWidth, overlay.clientHeight]
  if (!width) return
  const areas = faces.map(({ box }) => ({
    x: box[0] * width,
    y: box[1] * height,
    width: box[2] * width,
    height: box[3] * height,
  }))
  const size = (position) => areas[position].width * areas[position].height
  const order = faces.map((_, position) => position).sort((first, second) => size(second) - size(first))
  const labels = [...overlay.querySelectorAll(".label")]
  const takenPlaces = []
  for (const position of order) {
    const [label, area] = [labels[position], areas[position]]
    const [labelWidth, labelHeight] = [label.offsetWidth, label.offsetHeight]
    const tops = [area.y - labelHeight, area.y + area.height, area.y, area.y + area.height - labelHeight]
    const lefts = [area.x, area.x + area.width - labelWidth, area.x + (area.width - labelWidth) / 2]
    const places = tops.flatMap((y) =>
      lefts.map((x) => ({
        x: Math.max(0, Math.min(x, width - labelWidth)),
        y: Math.max(0, Math.min(y, height - labelHeight)),
        width: labelWidth,
        height: labelHeight,
      })),
    )
    const isFree = (place) =>
      takenPlaces.every((other) => overlap(place, other) === 0) &&
      areas.every((other, index) => index === position || overlap(place, other) < 0.2 * size(index))
    const free = places.find(isFree)
    const place = free ?? places[0]
    if (free) takenPlaces.push(free)
    label.classList.toggle("is-crowded", !free)
    label.style.left = `${place.x}px`
    label.style.top = `${place.y}px`
  }
}

// Returns the common area of two rectangles in square pixels.
function overlap(a, b) {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x)
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y)
  return Math.max(width, 0) * Math.max(height, 0)
}

// Shows the part of the photo around a face in a thumbnail: a square with 1.25 times the longer side of
// the box fills the height of the thumbnail.
function paintFace(thumbnail, face, url, { width, height }) {
  const [boxX, boxY, boxWidth, boxHeight] = face.box
  const side = 1.25 * Math.max(boxWidth * width, boxHeight * height)
  // The size of the picture in a thumbnail in pixels, as strip.css defines it.
  const [thumbnailWidth, thumbnailHeight] = [86, 68]
  const scale = thumbnailHeight / side
  const x = (boxX + boxWidth / 2) * width * scale - thumbnailWidth / 2
  const y = (boxY + boxHeight / 2) * height * scale - thumbnailHeight / 2
  thumbnail.style.background = `url(${url}) ${-x}px ${-y}px / ${width * scale}px ${height * scale}px no-repeat`
}
