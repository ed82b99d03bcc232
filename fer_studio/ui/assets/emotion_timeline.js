// A timeline: below the name of each person, one filled curve per class, over a common time axis.
//
// data.limits   the first and the last time in seconds
// data.ticks    labels of the time axis: {seconds, text}
// data.classes  {name, color}, from the top
// data.persons  {title, step, seconds, values}: the times of the points; for each class, their values from
//               0 to 1, null where the person is absent; step is the time that a point covers
// data.markers  named times: {seconds, name}
// data.current  the chosen time, or null
// data.label    what a screen reader says about the timeline
// data.sizes    {lane, person, top, bottom, height}: in pixels, the height of a lane, of a person's name, of
//               the space above and below the lanes, and of the whole timeline
//
// Sends "time", in seconds, when a time is clicked, touched, or reached with the keyboard.

// The state of each timeline on the page, by the element that contains it.
const STATES = new WeakMap()
// The height of a curve at the value 1, as a share of the height of its lane.
const FILL = 0.86
// The arrow keys move by the first of these shares of the visible time, with Shift by the second one, like
// the keys "page up" and "page down".
const [STEP, LARGE_STEP] = [1 / 200, 1 / 20]
// The delay in milliseconds between a key press and the message with the chosen time. If another key is
// pressed meanwhile, only the time that the last key press chose is sent.
const KEY_DELAY = 150
// The color of the lines at the chosen time and at markers.
const LINE_COLOR = "#7A7A7A"

export default function ({ data, parentElement, setTriggerValue }) {
  const container = parentElement.querySelector(".emotion-timeline")
  const state = STATES.get(parentElement) ?? {
    observer: new ResizeObserver(() => redraw(state)),
    sent: [],
    isWaiting: false,
  }
  if (!STATES.has(parentElement)) {
    STATES.set(parentElement, state)
    state.observer.observe(container)
  }
  Object.assign(state, { data, container, send: (time) => setTriggerValue("time", time) })
  follow(state)
  redraw(state)
  return () => {
    state.observer.disconnect()
    clearTimeout(state.timer)
    STATES.delete(parentElement)
  }
}

// Draws the timeline, or only the chosen time if nothing else has changed.
function redraw(state) {
  const { data, container } = state
  const width = Math.floor(container.clientWidth)
  if (!width) return
  const style = getComputedStyle(container)
  const content = JSON.stringify([width, style.color, { ...data, current: null }])
  if (content !== state.content) {
    const hadFocus = container.contains(document.activeElement)
    draw(state, width, style)
    state.content = content
    if (hadFocus) state.times.focus({ preventScroll: true })
  }
  mark(state, hasUnanswered(state) ? state.chosen : data.current)
}

// Compares the page's time with the times that were chosen here: until the page has answered the latest
// choice, an answer to an earlier one must not undo it. Quick key presses would otherwise be lost.
function follow(state) {
  const { sent, answered, data } = state
  const position = sent.lastIndexOf(data.current)
  if (position >= 0) {
    sent.splice(0, position + 1)
  } else if (data.current !== answered) {
    // Chosen elsewhere on the page.
    sent.length = 0
    clearTimeout(state.timer)
    state.isWaiting = false
  }
  state.answered = data.current
}

function hasUnanswered({ sent, isWaiting }) {
  return isWaiting || sent.length > 0
}

function draw(state, width, style) {
  const { data, container } = state
  const { sizes, persons, classes } = data
  const font = { small: width < 500 ? 11 : 12, name: 13 }
  const context = document.createElement("canvas").getContext("2d")
  context.font = `${font.small}px ${style.fontFamily}`
  const widest = Math.max(...classes.map(({ name }) => context.measureText(name).width))
  const left = Math.min(Math.ceil(widest) + 12, Math.round(width * 0.4))
  const right = width - 14
  const bottom = sizes.height - sizes.bottom
  const [start, end] = data.limits
  Object.assign(state, {
    left,
    right,
    xOf: (time) => left + ((right - left) * (time - start)) / (end - start),
    timeOf: (x) => start + (end - start) * Math.min(Math.max((x - left) / (right - left), 0), 1),
  })

  const svg = element("svg", {
    width,
    height: sizes.height,
    viewBox: `0 0 ${width} ${sizes.height}`,
    class: "chart-svg",
    role: "group",
    "aria-label": data.label,
    "font-family": style.fontFamily,
    fill: style.color,
  })
  const times = element("g", {
    class: "times",
    tabindex: 0,
    role: "slider",
    "aria-label": "Time",
    "aria-valuemin": start,
    "aria-valuemax": end,
  })
  const area = { x: left, y: sizes.top, width: right - left, height: bottom - sizes.top }
  times.append(element("rect", { ...area, fill: "transparent" }))
  const axis = element("g", { "aria-hidden": true })
  // The position from which the next label does not overlap the previous one.
  let freeFrom = 0
  for (const tick of data.ticks) {
    const x = state.xOf(tick.seconds)
    axis.append(line(x, sizes.top, bottom, { stroke: style.color, "stroke-opacity": 0.12 }))
    // The last label must stay in the picture. On a phone, labels that would overlap are left out.
    const halfWidth = context.measureText(tick.text).width / 2
    const middle = Math.min(x, width - halfWidth)
    if (middle - halfWidth < freeFrom) continue
    freeFrom = middle + halfWidth + 6
    write(axis, tick.text, middle, bottom + 14, { "font-size": font.small, "text-anchor": "middle" })
  }
  write(axis, "time (minutes:seconds)", (left + right) / 2, bottom + 34, {
    "font-size": font.small,
    "text-anchor": "middle",
    "fill-opacity": 0.75,
  })
  svg.append(axis)
  state.lanes = []
  persons.forEach((person, index) => {
    const top = sizes.top + index * (sizes.person + classes.length * sizes.lane)
    const names = element("g", { "aria-hidden": true })
    write(names, person.title, 0, top + sizes.person - 11, { "font-size": font.name, "font-weight": 600 })
    svg.append(names)
    classes.forEach(({ name, color }, number) => {
      const base = top + sizes.person + (number + 1) * sizes.lane
      write(names, name, left - 8, base - sizes.lane * 0.35, { "font-size": font.small, "text-anchor": "end" })
      times.append(line(base, left, right, { stroke: style.color, "stroke-opacity": 0.15 }, true))
      const path = curve(state, person, person.values[number], base, sizes.lane * FILL)
      times.append(element("path", { d: path, fill: color, stroke: color, "stroke-width": 1 }))
      state.lanes.push({ top: base - sizes.lane, bottom: base, person, name, values: person.values[number] })
    })
  })
  for (const { seconds, name } of data.markers) {
    const dotted = { stroke: LINE_COLOR, "stroke-width": 1.5, "stroke-dasharray": "2 3" }
    times.append(line(state.xOf(seconds), sizes.top - 4, bottom, dotted))
    writeAbove(times, state, name, seconds, sizes.top - 8)
  }
  state.pointer = line(0, sizes.top, bottom, { stroke: style.color, "stroke-opacity": 0.5, visibility: "hidden" })
  state.current = element("g", {})
  times.append(state.pointer, state.current)
  svg.append(times)
  state.times = times
  state.hint = document.createElement("div")
  state.hint.className = "hint"
  state.hint.hidden = true
  container.replaceChildren(svg, state.hint)
  listen(state, svg)
}

// Returns the filled area below a curve as the path of an SVG. Each uninterrupted interval in which the person
// is present gives a closed shape of its own.
function curve({ xOf, data }, { seconds, step }, values, base, height) {
  const [start, end] = data.limits
  const pointAt = (time, value) =>
    `${xOf(Math.min(Math.max(time, start), end)).toFixed(1)},${(base - height * value).toFixed(1)}`
  const parts = []
  for (let first = 0; first < values.length; first++) {
    if (values[first] === null) continue
    let last = first
    while (last + 1 < values.length && values[last + 1] !== null) last++
    const points = [pointAt(seconds[first] - step / 2, 0)]
    for (let index = first; index <= last; index++) points.push(pointAt(seconds[index], values[index]))
    points.push(pointAt(seconds[last] + step / 2, 0))
    parts.push(`M${points.join("L")}Z`)
    first = last
  }
  return parts.join("")
}

function listen(state, svg) {
  const { times } = state
  const position = (event) => {
    const box = svg.getBoundingClientRect()
    return [event.clientX - box.left, event.clientY - box.top]
  }
  times.onpointermove = (event) => showHint(state, ...position(event))
  times.onpointerleave = () => hideHint(state)
  times.onclick = (event) => choose(state, state.timeOf(position(event)[0]), 0)
  times.onkeydown = (event) => {
    const [start, end] = state.data.limits
    const arrowStep = (event.shiftKey ? LARGE_STEP : STEP) * (end - start)
    const pageStep = LARGE_STEP * (end - start)
    const time = state.chosen ?? start
    const newTime = {
      ArrowLeft: time - arrowStep,
      ArrowRight: time + arrowStep,
      PageDown: time - pageStep,
      PageUp: time + pageStep,
      Home: start,
      End: end,
    }[event.key]
    if (newTime === undefined) return
    event.preventDefault()
    choose(state, Math.min(Math.max(newTime, start), end), KEY_DELAY)
  }
}

function choose(state, time, delay) {
  // The time is marked at once; the page updates its other elements later.
  mark(state, time)
  clearTimeout(state.timer)
  state.isWaiting = true
  state.timer = setTimeout(() => {
    state.isWaiting = false
    state.sent.push(time)
    state.send(time)
  }, delay)
}

// Draws a line at the chosen time, with the time above it.
function mark(state, time) {
  const { times, current, data } = state
  state.chosen = time
  const start = data.limits[0]
  times.setAttribute("aria-valuenow", time ?? start)
  times.setAttribute("aria-valuetext", formatTime(time ?? start))
  current.replaceChildren()
  if (time === null || time < start || time > data.limits[1]) return
  const { top, height, bottom } = data.sizes
  current.append(line(state.xOf(time), top - 4, height - bottom, { stroke: LINE_COLOR, "stroke-width": 1.5 }))
  writeAbove(current, state, formatTime(time), time, top - 8)
}

// Shows a line, the time and the value of the lane at the position of the mouse.
function showHint(state, x, y) {
  const lane = state.lanes.find(({ top, bottom }) => y >= top && y < bottom)
  const time = state.timeOf(x)
  state.pointer.setAttribute("visibility", "visible")
  // Not always x, because the mouse may be next to the time axis.
  const lineX = state.xOf(time)
  state.pointer.setAttribute("x1", lineX)
  state.pointer.setAttribute("x2", lineX)
  state.hint.hidden = false
  state.hint.innerText = lane
    ? `${lane.person.title}, ${formatTime(time)}\n${lane.name}: ${valueText(lane, time)}`
    : formatTime(time)
  const { width, height } = state.hint.getBoundingClientRect()
  const fitsRight = x + 12 + width <= state.container.clientWidth
  state.hint.style.left = `${fitsRight ? x + 12 : Math.max(x - 12 - width, 0)}px`
  state.hint.style.top = `${Math.max(y - height - 8, 0)}px`
}

function hideHint(state) {
  state.pointer.setAttribute("visibility", "hidden")
  state.hint.hidden = true
}

// Returns the value of a lane at a time as a percentage; "not seen" if the person is absent.
function valueText({ person: { seconds, step }, values }, time) {
  // Binary search for the first point that is not earlier.
  let [low, high] = [0, seconds.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (seconds[middle] < time) low = middle + 1
    else high = middle
  }
  const nearest = low > 0 && time - seconds[low - 1] < (seconds[low] ?? Infinity) - time ? low - 1 : low
  const isNear = Math.abs((seconds[nearest] ?? Infinity) - time) <= step
  if (!isNear || values[nearest] === null) return "not seen"
  return `${Math.round(100 * values[nearest])} %`
}

// Formats a time like fer_core.video.timecode.format_time, with one decimal.
function formatTime(seconds) {
  const tenths = Math.round(seconds * 10)
  const whole = Math.floor(tenths / 10)
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60]
  const pad = (number) => String(number).padStart(2, "0")
  const text = hours ? `${hours}:${pad(minutes)}:${pad(whole % 60)}` : `${minutes}:${pad(whole % 60)}`
  return `${text}.${tenths % 10}`
}

function writeAbove(parent, state, text, time, y) {
  const x = state.xOf(time)
  const anchor = x < state.left + 40 ? "start" : x > state.right - 40 ? "end" : "middle"
  write(parent, text, x, y, { "font-size": 11, "text-anchor": anchor })
}

function line(position, from, to, attributes, isHorizontal = false) {
  const ends = isHorizontal
    ? { x1: from, x2: to, y1: position, y2: position }
    : { x1: position, x2: position, y1: from, y2: to }
  return element("line", { ...ends, ...attributes })
}

function write(parent, text, x, y, attributes) {
  const written = element("text", { x, y, ...attributes })
  written.textContent = text
  parent.append(written)
}

function element(name, attributes) {
  const created = document.createElementNS("http://www.w3.org/2000/svg", name)
  for (const [key, value] of Object.entries(attributes)) created.setAttribute(key, value)
  return created
}
