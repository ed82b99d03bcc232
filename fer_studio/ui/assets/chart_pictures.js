// Two buttons that save the chart next to them as a picture, with its title and caption.
//
// data.chart   the class of the element that contains the chart
// data.file    the name of the file, without suffix
// data.title   the title, which is drawn above the chart
// data.caption the caption, which is drawn below the chart
//
// The picture is composed of what the browser has drawn, in the colors of the current theme. Plotly's own
// download button needs Plotly's toolbar, saves only one format, and omits title and caption.

// Sizes in pixels of the screen; "height" is that of a line.
const MARGIN = 16
const TITLE = { size: 17, weight: 600, height: 26 }
const CAPTION = { size: 12, weight: 400, height: 17 }
// Pixels of a PNG per pixel of the screen.
const SCALE = 3

export default function ({ data, parentElement }) {
  for (const button of parentElement.querySelectorAll("button")) {
    button.onclick = async () => {
      const container = document.querySelector("." + CSS.escape(data.chart))
      // The layers that Plotly (main-svg), our own charts (chart-svg) or Vega-Lite (marks) has drawn.
      const layers = container?.querySelectorAll("svg.main-svg, svg.chart-svg, svg.marks, canvas.marks")
      if (!layers?.length) return
      const svg = compose(container, [...layers], data)
      svg.prepend(await fontStyle(svg.getAttribute("font-family")))
      save(button.value === "svg" ? svgFile(svg) : await pngFile(svg), data.file + "." + button.value)
    }
  }
}

// Returns the picture of a chart as an SVG element.
function compose(container, layers, data) {
  const page = document.querySelector('[data-testid="stApp"]')
  const { backgroundColor, color } = getComputedStyle(page)
  const font = getComputedStyle(container).fontFamily
  const box = layers[0].getBoundingClientRect()
  const width = Math.ceil(box.width) + 2 * MARGIN
  const lines = [
    ...wrapped(data.title, TITLE, font, box.width).map((text) => ({ text, ...TITLE })),
    ...wrapped(data.caption, CAPTION, font, box.width).map((text) => ({ text, ...CAPTION })),
  ]
  // The font size tells the lines of the title and of the caption apart.
  const titleHeight = lines.filter(({ size }) => size === TITLE.size).length * TITLE.height
  const captionHeight = lines.filter(({ size }) => size === CAPTION.size).length * CAPTION.height
  const top = MARGIN + titleHeight + (titleHeight ? 4 : 0)
  const bottom = top + Math.ceil(box.height)
  const height = bottom + captionHeight + MARGIN + (captionHeight ? 8 : 0)

  const svg = element("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "font-family": font })
  svg.append(element("rect", { width, height, fill: backgroundColor }))
  const positions = { [TITLE.size]: MARGIN, [CAPTION.size]: bottom + 8 }
  for (const { text, size, weight, height: lineHeight } of lines) {
    const line = element("text", {
      x: MARGIN,
      y: positions[size] + size,
      fill: color,
      "font-size": size,
      "font-weight": weight,
    })
    line.textContent = text
    svg.append(line)
    positions[size] += lineHeight
  }
  const chart = element("g", { transform: `translate(${MARGIN}, ${top})` })
  // The points that Plotly draws with WebGL are below the axes and texts. The canvas "gl-canvas-pick" is
  // invisible: Plotly uses it to find the point under the pointer.
  for (const canvas of container.querySelectorAll(".gl-container canvas:not(.gl-canvas-pick)")) {
    chart.append(imageOf(canvas))
  }
  for (const layer of layers) {
    if (layer.tagName === "CANVAS") {
      chart.append(imageOf(layer))
      continue
    }
    const copy = layer.cloneNode(true)
    copy.querySelectorAll(".hoverlayer > *, .dragcover, .draglayer, .zoomlayer").forEach((part) => part.remove())
    // A background of the layer would hide the WebGL points below it.
    copy.style.background = "transparent"
    chart.append(copy)
  }
  svg.append(chart)
  return svg
}

// Returns a style element that contains the files of the page's fonts. A picture cannot load fonts, and in
// other fonts the texts would have other widths.
async function fontStyle(family) {
  const style = element("style", {})
  const names = family.split(",").map((name) => name.trim().replaceAll(/["']/g, ""))
  for (const sheet of document.styleSheets) {
    for (const rule of readableRules(sheet)) {
      if (!(rule instanceof CSSFontFaceRule) || rule.style.fontStyle === "italic") continue
      const name = rule.style.fontFamily.replaceAll(/["']/g, "")
      const address = rule.style.getPropertyValue("src").match(/url\("?([^")]+)"?\)/)?.[1]
      if (!names.includes(name) || !address) continue
      const file = await dataUrl(new URL(address, sheet.href ?? document.baseURI))
      style.textContent +=
        `@font-face { font-family: '${name}'; font-weight: ${rule.style.fontWeight || "normal"}; ` +
        `src: url('${file}'); }\n`
    }
  }
  return style
}

function readableRules(sheet) {
  try {
    return [...sheet.cssRules]
  } catch {
    return [] // browsers do not let scripts read the rules of another host's style sheet
  }
}

async function dataUrl(address) {
  const file = await (await fetch(address)).blob()
  return new Promise((resolve) => {
    const reader = new FileReader()
    reader.onload = () => resolve(reader.result)
    reader.readAsDataURL(file)
  })
}

// Splits a text into lines of at most the given width.
function wrapped(text, { size, weight }, font, width) {
  if (!text) return []
  const context = document.createElement("canvas").getContext("2d")
  context.font = `${weight} ${size}px ${font}`
  const lines = [""]
  for (const word of text.split(/\s+/)) {
    const longer = (lines.at(-1) + " " + word).trim()
    if (lines.at(-1) && context.measureText(longer).width > width) lines.push(word)
    else lines[lines.length - 1] = longer
  }
  return lines
}

function element(name, attributes) {
  const created = document.createElementNS("http://www.w3.org/2000/svg", name)
  for (const [key, value] of Object.entries(attributes)) created.setAttribute(key, value)
  return created
}

function imageOf(canvas) {
  const { width, height } = canvas.getBoundingClientRect()
  return element("image", { href: canvas.toDataURL("image/png"), width, height })
}

function markup(svg) {
  // Some programs cannot read references with double quotes, such as url("#clip").
  return new XMLSerializer().serializeToString(svg).replaceAll("&quot;", "'")
}

function svgFile(svg) {
  return new Blob([markup(svg)], { type: "image/svg+xml" })
}

async function pngFile(svg) {
  const image = new Image()
  image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(markup(svg))
  await image.decode()
  const canvas = document.createElement("canvas")
  canvas.width = SCALE * svg.getAttribute("width")
  canvas.height = SCALE * svg.getAttribute("height")
  const context = canvas.getContext("2d")
  context.scale(SCALE, SCALE)
  context.drawImage(image, 0, 0)
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"))
}

function save(file, name) {
  const link = document.createElement("a")
  link.href = URL.createObjectURL(file)
  link.download = name
  link.click()
  // The browser reads the file a moment after the click.
  setTimeout(() => URL.revokeObjectURL(link.href), 1000)
}
