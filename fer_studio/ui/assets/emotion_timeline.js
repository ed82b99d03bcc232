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
// data.sizes    pixels: height of a lane, of a person's name, above, below, and of everything
//
// Sends "time", in seconds, when a time is clicked, touched, or reached with the keyboard.
const STATES = new WeakMap()
// Share of the height of a lane that a value of 1 fills.
const FILL = 0.86
// The keys move by shares of the visible time; shift and page keys move further.
const [STEP, LARGE_STEP] = [1 / 200, 1 / 20]
// Time in milliseconds that a key press waits for the next one before the time is sent.
const KEY_DELAY = 150
const LINE_COLOR = "#7A7A7A"

export default function ({ data, parentElement, setTriggerValue }) {
  const place = parentElement.querySelector(".emotion-timeline")
  const state = STATES.get(parentElement) ?? {
    observer: new ResizeObserver(() => redraw(state)),
    sent: [],
    isWaiting: false,
  }
  if (!STATES.has(parentElement)) {
    STATES.set(parentElement, state)
    state.observer.observe(place)
  }
  Object.assign(state, { data, place, send: (time) => setTriggerValue("time", time) })
  follow(state)
  redraw(state)
  return () => {
    state.observer.disconnect()
    clearTimeout(state.timer)
    STATES.delete(parentElement)
  }
}

function redraw(state) {
  const { data, place } = state
  const width = Math.floor(place.clientWidth)
  if (!width) return
  const style = getComputedStyle(place)
  const drawn = JSON.stringify([width, style.color, { ...data, current: null }])
  if (drawn !== state.drawn) {
    const hadFocus = place.contains(document.activeElement)
    draw(state, width, style)
    state.drawn = drawn
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
  const { data, place } = state
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
  let free = 0
  for (const tick of data.ticks) {
    const x = state.xOf(tick.seconds)
    axis.append(line(x, sizes.top, bottom, { stroke: style.color, "stroke-opacity": 0.12 }))
    // The last label must stay in the picture, and labels must not overlap on a phone.
    const half = context.measureText(tick.text).width / 2
    const middle = Math.min(x, width - half)
    if (middle - half < free) continue
    free = middle + half + 6
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
    const name = element("g", { "aria-hidden": true })
    write(name, person.title, 0, top + sizes.person - 11, { "font-size": font.name, "font-weight": 600 })
    svg.append(name)
    classes.forEach((label, number) => {
      const base = top + sizes.person + (number + 1) * sizes.lane
      write(name, label.name, left - 8, base - sizes.lane * 0.35, { "font-size": font.small, "text-anchor": "end" })
      times.append(line(base, left, right, { stroke: style.color, "stroke-opacity": 0.15 }, true))
      const path = curve(state, person, person.values[number], base, sizes.lane * FILL)
      times.append(element("path", { d: path, fill: label.color, stroke: label.color, "stroke-width": 1 }))
      state.lanes.push({ top: base - sizes.lane, bottom: base, person, label, values: person.values[number] })
    })
  })
  for (const { seconds, name } of data.markers) {
    const marker = { stroke: LINE_COLOR, "stroke-width": 1.5, "stroke-dasharray": "2 3" }
    times.append(line(state.xOf(seconds), sizes.top - 4, bottom, marker))
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
  place.replaceChildren(svg, state.hint)
  listen(state, svg)
}

// Returns the outline of a curve as the path of an SVG; each part without absences is closed on its own.
function curve({ xOf, data }, { seconds, step }, values, base, height) {
  const [start, end] = data.limits
  const at = (time, value) =>
    `${xOf(Math.min(Math.max(time, start), end)).toFixed(1)},${(base - height * value).toFixed(1)}`
  const parts = []
  for (let first = 0; first < values.length; first++) {
    if (values[first] === null) continue
    let last = first
    while (last + 1 < values.length && values[last + 1] !== null) last++
    const points = [at(seconds[first] - step / 2, 0)]
    for (let point = first; point <= last; point++) points.push(at(seconds[point], values[point]))
    points.push(at(seconds[last] + step / 2, 0))
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
    const small = event.shiftKey ? LARGE_STEP : STEP
    const now = state.chosen ?? start
    const to = {
      ArrowLeft: now - small * (end - start),
      ArrowRight: now + small * (end - start),
      PageDown: now - LARGE_STEP * (end - start),
      PageUp: now + LARGE_STEP * (end - start),
      Home: start,
      End: end,
    }[event.key]
    if (to === undefined) return
    event.preventDefault()
    choose(state, Math.min(Math.max(to, start), end), KEY_DELAY)
  }
}

function choose(state, time, delay) {
  // Marked at once; the page follows.
  mark(state, time)
  clearTimeout(state.timer)
  state.isWaiting = true
  state.timer = setTimeout(() => {
    state.isWaiting = false
    state.sent.push(time)
    state.send(time)
  }, delay)
}

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

function showHint(state, x, y) {
  const lane = state.lanes.find((one) => y >= one.top && y < one.bottom)
  const time = state.timeOf(x)
  state.pointer.setAttribute("visibility", "visible")
  const onLine = state.xOf(time)
  state.pointer.setAttribute("x1", onLine)
  state.pointer.setAttribute("x2", onLine)
  state.hint.hidden = false
  state.hint.innerText = lane
    ? `${lane.person.title}, ${formatTime(time)}\n${lane.label.name}: ${valueText(lane, time)}`
    : formatTime(time)
  const { width, height } = state.hint.getBoundingClientRect()
  const isRight = x + 12 + width > state.place.clientWidth
  state.hint.style.left = `${isRight ? Math.max(x - 12 - width, 0) : x + 12}px`
  state.hint.style.top = `${Math.max(y - height - 8, 0)}px`
}

function hideHint(state) {
  state.pointer.setAttribute("visibility", "hidden")
  state.hint.hidden = true
}

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

// As fer_core.video.timecode.format_time with one digit.
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
