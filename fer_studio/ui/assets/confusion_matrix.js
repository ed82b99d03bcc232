// A confusion matrix with totals and a legend of the colors. It is as wide as its container, up to MAX_WIDTH.
// Its cells are square, or lower if the matrix would otherwise be too high for the window.
//
// data.title    what a screen reader says about the matrix
// data.classes  the names of the classes
// data.shares   the share of each cell, 0 to 1; null where it is undefined
// data.texts    what each cell shows
// data.labels   what a screen reader says about each cell
// data.rows     the text for the total of each true class
// data.columns  the text for the total of each predicted class
// data.total    the text for the total of all images
// data.legend   what the color means
// data.selected the row and the column of the selected cell
//
// Sends "cell", the row and the column, when a cell is clicked, touched, reached with the arrow keys, or
// confirmed with Enter or Space.

// The state of each matrix on the page, by the element that contains it.
const STATES = new WeakMap()
// The minimum width and height of a cell in pixels, so that a finger can hit it. A matrix that is therefore
// wider than its container scrolls to the side.
const MIN_CELL = 26
// The maximum width of a matrix in pixels.
const MAX_WIDTH = 720
// The matrix should be no higher than the window without the elements above the matrix. The first number is
// the height of these elements, the second one is the smallest such limit, both in pixels. app.css contains
// both numbers as well.
const [HEIGHT_ABOVE, MIN_HEIGHT] = [480, 320]
// The color of the cells: red, green and blue.
const COLOR = [0, 114, 178]
// The opacities of the color for the shares 0 and 1: texts are readable on all cells, in light and dark
// themes.
const [MIN_OPACITY, MAX_OPACITY] = [0.04, 0.8]
// The change of row and column by key.
const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }

export default function ({ data, parentElement, setTriggerValue }) {
  const container = parentElement.querySelector(".confusion-matrix")
  const state = STATES.get(parentElement) ?? {
    observer: new ResizeObserver(() => redraw(state)),
    onResize: () => redraw(state),
  }
  if (!STATES.has(parentElement)) {
    STATES.set(parentElement, state)
    state.observer.observe(container)
    window.addEventListener("resize", state.onResize)
  }
  Object.assign(state, { data, container, send: (cell) => setTriggerValue("cell", cell) })
  redraw(state)
  return () => {
    state.observer.disconnect()
    window.removeEventListener("resize", state.onResize)
    STATES.delete(parentElement)
  }
}

// Draws the matrix, or only its selection if nothing else has changed.
function redraw(state) {
  const { data, container } = state
  const width = Math.min(container.clientWidth, MAX_WIDTH)
  if (!width) return
  const maxHeight = Math.max(window.innerHeight - HEIGHT_ABOVE, MIN_HEIGHT)
  const style = getComputedStyle(container)
  const content = JSON.stringify([width, maxHeight, style.color, { ...data, selected: null }])
  if (content !== state.content) {
    const hadFocus = container.contains(document.activeElement)
    container.replaceChildren(matrix(state, width, maxHeight, style))
    state.content = content
    mark(state, data.selected)
    if (hadFocus) cellAt(state, data.selected).focus()
  } else {
    mark(state, data.selected)
  }
}

function matrix(state, width, maxHeight, style) {
  const { data } = state
  const count = data.classes.length
  const context = document.createElement("canvas").getContext("2d")
  const widest = (texts, size) => {
    context.font = `${size}px ${style.fontFamily}`
    return Math.max(...texts.map((text) => context.measureText(text).width))
  }
  const names = [...data.classes, "total"]
  const nameSize = width < 500 ? 11 : 13
  // The height of the title of the columns, "predicted", and the width of the title of the rows, "true".
  const axisSize = nameSize + 8
  const nameWidth = widest(names, nameSize)
  const left = axisSize + nameWidth + 8
  const cellWidth = Math.max((width - left - 1) / (count + 1), MIN_CELL)
  // The names of the columns are horizontal if they fit, and otherwise vertical.
  const isHorizontal = nameWidth + 4 <= cellWidth
  const top = axisSize + (isHorizontal ? nameSize + 8 : nameWidth + 8)
  const legendHeight = 46
  const cellHeight = Math.min(cellWidth, Math.max((maxHeight - top - legendHeight) / (count + 1), MIN_CELL))
  const texts = [...data.texts.flat(), ...data.rows, ...data.columns, data.total]
  // The largest font size with which all numbers fit into their cells. If none fits, no numbers are drawn.
  const numberSize = [16, 15, 14, 13, 12, 11, 10, 9].find(
    (size) => widest(texts, size) <= cellWidth - 4 && size <= cellHeight - 4,
  )
  const right = left + cellWidth * (count + 1)
  const bottom = top + cellHeight * (count + 1)
  const size = { width: right + 1, height: bottom + legendHeight }
  const svg = element("svg", {
    ...size,
    viewBox: `0 0 ${size.width} ${size.height}`,
    class: "chart-svg",
    role: "grid",
    "aria-label": data.title,
    "font-family": style.fontFamily,
    fill: style.color,
  })
  const write = (parent, text, x, y, options = {}) => {
    const line = element("text", { x, y, "font-size": nameSize, "dominant-baseline": "central", ...options })
    line.textContent = text
    parent.append(line)
    return line
  }
  const middle = { "text-anchor": "middle" }
  const end = { "text-anchor": "end" }
  const faint = { "fill-opacity": 0.75 }

  const centerX = left + (cellWidth * count) / 2
  write(svg, "predicted", centerX, axisSize / 2, { ...middle, ...faint, "aria-hidden": true })
  const centerY = top + (cellHeight * count) / 2
  write(svg, "true", 0, 0, {
    ...middle,
    ...faint,
    transform: `translate(${axisSize / 2}, ${centerY}) rotate(-90)`,
    "aria-hidden": true,
  })
  const header = element("g", { role: "row" })
  names.forEach((name, column) => {
    const x = left + cellWidth * (column + 0.5)
    const position = isHorizontal
      ? middle
      : { "text-anchor": "start", transform: `translate(${x}, ${top - 6}) rotate(-90)` }
    const [textX, textY] = isHorizontal ? [x, top - nameSize / 2 - 5] : [0, 0]
    write(header, name, textX, textY, { ...position, role: "columnheader", ...(column < count ? {} : faint) })
  })
  svg.append(header)

  names.forEach((name, row) => {
    const line = element("g", { role: "row" })
    const y = top + cellHeight * row
    write(line, name, left - 6, y + cellHeight / 2, { ...end, role: "rowheader", ...(row < count ? {} : faint) })
    names.forEach((_, column) => {
      const x = left + cellWidth * column
      if (row < count && column < count) {
        line.append(dataCell(state, row, column, { x, y, cellWidth, cellHeight, numberSize, write }))
      } else {
        const total = row < count ? data.rows[row] : column < count ? data.columns[column] : data.total
        const totalCell = element("g", { role: "gridcell" })
        const options = { ...middle, ...faint, "font-size": numberSize }
        if (numberSize) write(totalCell, total, x + cellWidth / 2, y + cellHeight / 2, options)
        line.append(totalCell)
      }
    })
    svg.append(line)
  })
  svg.append(legend(data, left, bottom + 12, Math.min(cellWidth * count, 260), nameSize, write))
  return svg
}

function dataCell(state, row, column, { x, y, cellWidth, cellHeight, numberSize, write }) {
  const { data } = state
  const group = element("g", {
    role: "gridcell",
    class: "cell",
    tabindex: -1,
    "aria-label": data.labels[row][column],
    "data-cell": `${row},${column}`,
  })
  const share = data.shares[row][column]
  group.append(
    element("rect", {
      x: x + 1,
      y: y + 1,
      width: cellWidth - 2,
      height: cellHeight - 2,
      rx: 3,
      fill: `rgb(${COLOR})`,
      "fill-opacity": opacity(share ?? 0),
      // Not "currentColor", which is black in a downloaded picture.
      stroke: getComputedStyle(state.container).color,
      "stroke-width": 0,
    }),
  )
  if (numberSize) {
    write(group, data.texts[row][column], x + cellWidth / 2, y + cellHeight / 2, {
      "text-anchor": "middle",
      "font-size": numberSize,
      "font-weight": row === column ? 600 : 400,
    })
  }
  group.onclick = () => select(state, [row, column])
  group.onkeydown = (event) => {
    const step = STEPS[event.key]
    const last = data.classes.length - 1
    if (!step && event.key !== "Enter" && event.key !== " ") return
    event.preventDefault()
    const [down, right] = step ?? [0, 0]
    const within = (index) => Math.min(Math.max(index, 0), last)
    select(state, [within(row + down), within(column + right)])
  }
  return group
}

function opacity(share) {
  return MIN_OPACITY + (MAX_OPACITY - MIN_OPACITY) * share
}

function legend(data, x, y, width, size, write) {
  const group = element("g", { "aria-hidden": true })
  const gradient = element("linearGradient", { id: "confusion-matrix-colors" })
  for (const share of [0, 1]) {
    gradient.append(
      element("stop", { offset: share, "stop-color": `rgb(${COLOR})`, "stop-opacity": opacity(share) }),
    )
  }
  const bar = { x, y, width, height: 8, rx: 2, fill: "url(#confusion-matrix-colors)" }
  group.append(gradient, element("rect", bar))
  write(group, "0 %", x, y + 20, { "font-size": size })
  write(group, data.legend, x + width / 2, y + 20, { "text-anchor": "middle", "font-size": size })
  write(group, "100 %", x + width, y + 20, { "text-anchor": "end", "font-size": size })
  return group
}

function select(state, cell) {
  // The cell is marked at once; the page updates its other elements later.
  mark(state, cell)
  cellAt(state, cell).focus()
  state.send(cell)
}

function cellAt({ container }, [row, column]) {
  return container.querySelector(`[data-cell="${row},${column}"]`)
}

// Shows which cell is selected.
function mark(state, cell) {
  for (const group of state.container.querySelectorAll("[data-cell]")) {
    const isSelected = group.dataset.cell === cell.join(",")
    group.setAttribute("aria-selected", isSelected)
    group.setAttribute("tabindex", isSelected ? 0 : -1)
    group.firstChild.setAttribute("stroke-width", isSelected ? 2.5 : 0)
  }
}

function element(name, attributes) {
  const created = document.createElementNS("http://www.w3.org/2000/svg", name)
  for (const [key, value] of Object.entries(attributes)) created.setAttribute(key, value)
  return created
}
