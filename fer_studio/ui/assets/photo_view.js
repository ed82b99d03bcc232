// A photo with a box for each face, and its faces as a row of thumbnails; a click selects a face.
//
// data.picture   the photo as a data URL
// data.alt       its description
// data.width     its size in pixels
// data.height
// data.faces     {box: [x, y, width, height] as shares of the photo, label, color, text, isDot,
//                title, detail}; "text" is the color of the label
// data.selected  the position of the selected face
const views = new WeakMap()

export default function ({ data, parentElement, setTriggerValue }) {
  const view = views.get(parentElement) ?? newView(parentElement)
  views.set(parentElement, view)
  const photo = parentElement.querySelector(".photo")
  const overlay = photo.querySelector("div")
  const strip = parentElement.querySelector(".strip")
  const readable = data.faces.filter((face) => !face.isDot)
  const isChoice = readable.length > 1

  if (view.source !== data.picture) {
    URL.revokeObjectURL(view.url)
    view.source = data.picture
    view.url = URL.createObjectURL(blobOf(data.picture))
    photo.querySelector("img").src = view.url
  }
  photo.querySelector("img").alt = data.alt
  photo.style.setProperty("--aspect", data.width / data.height)
  overlay.classList.toggle("is-choice", isChoice)

  const drawn = JSON.stringify([data.faces, data.picture.length])
  const select = (position) => {
    mark(overlay, strip, "is-selected", position)
    markSelected(strip, position)
    setTriggerValue("chosen", position)
  }
  const hover = (position) => {
    mark(overlay, strip, "is-hovered", position)
    overlay.classList.toggle("is-hovering", position >= 0)
  }
  if (view.drawn !== drawn) {
    view.drawn = drawn
    overlay.replaceChildren(...dots(data.faces), ...boxes(readable, isChoice, select, hover))
    strip.hidden = !isChoice
    const paint = (element, face) => paintFace(element, face, view.url, data)
    fillStrip(strip, isChoice ? readable : [], data.selected, { paint, select, hover })
  } else {
    markSelected(strip, data.selected)
  }
  mark(overlay, strip, "is-selected", data.selected)
  view.place = () => placeLabels(overlay, readable)
  view.place()
  return () => {
    view.observer.disconnect()
    URL.revokeObjectURL(view.url)
    views.delete(parentElement)
  }
}

function newView(parent) {
  const view = { source: "", url: "", drawn: "", place: () => {} }
  view.observer = new ResizeObserver(() => view.place())
  view.observer.observe(parent.querySelector(".photo"))
  return view
}

function blobOf(dataUrl) {
  const [head, body] = dataUrl.split(",")
  const bytes = Uint8Array.from(atob(body), (letter) => letter.charCodeAt(0))
  return new Blob([bytes], { type: head.slice(5, head.indexOf(";")) })
}

function element(className, face) {
  const one = document.createElement("div")
  one.className = className
  one.style.setProperty("--color", face.color)
  return one
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

// The boxes and, above all of them, the labels.
function boxes(faces, isChoice, select, hover) {
  const drawn = faces.map((face, position) => {
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
  return [...drawn, ...labels]
}

function mark(overlay, strip, className, position) {
  for (const one of overlay.children) {
    one.classList.toggle(className, one.dataset.face === String(position))
  }
}

// Places each label above, below or inside its box; the largest faces first. A label that would
// cover another one, or much of another face, is hidden until its face is hovered or selected.
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
  const order = faces.map((_, position) => position).sort((one, other) => size(other) - size(one))
  const labels = [...overlay.querySelectorAll(".label")]
  const taken = []
  for (const position of order) {
    const [label, area] = [labels[position], areas[position]]
    const [wide, high] = [label.offsetWidth, label.offsetHeight]
    const tops = [area.y - high, area.y + area.height, area.y, area.y + area.height - high]
    const lefts = [area.x, area.x + area.width - wide, area.x + (area.width - wide) / 2]
    const places = tops.flatMap((y) =>
      lefts.map((x) => ({
        x: Math.max(0, Math.min(x, width - wide)),
        y: Math.max(0, Math.min(y, height - high)),
        width: wide,
        height: high,
      })),
    )
    const isFree = (place) =>
      taken.every((other) => overlap(place, other) === 0) &&
      areas.every((other, index) => index === position || overlap(place, other) < 0.2 * size(index))
    const free = places.find(isFree)
    const place = free ?? places[0]
    if (free) taken.push(free)
    label.classList.toggle("is-crowded", !free)
    label.style.left = `${place.x}px`
    label.style.top = `${place.y}px`
  }
}

function overlap(one, other) {
  const width = Math.min(one.x + one.width, other.x + other.width) - Math.max(one.x, other.x)
  const height = Math.min(one.y + one.height, other.y + other.height) - Math.max(one.y, other.y)
  return Math.max(width, 0) * Math.max(height, 0)
}

// Shows the part of the photo around a face.
function paintFace(thumbnail, face, url, { width, height }) {
  const [boxX, boxY, boxWidth, boxHeight] = face.box
  const side = 1.25 * Math.max(boxWidth * width, boxHeight * height)
  // Sizes of the thumbnail in "strip.css", in pixels.
  const [wide, high] = [86, 68]
  const scale = high / side
  const x = (boxX + boxWidth / 2) * width * scale - wide / 2
  const y = (boxY + boxHeight / 2) * height * scale - high / 2
  thumbnail.style.background = `url(${url}) ${-x}px ${-y}px / ${width * scale}px ${height * scale}px no-repeat`
}
