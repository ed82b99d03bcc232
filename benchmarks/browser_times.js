// Measures the page that contains it. SELECTORS is replaced by an object: CSS selectors, or XPath expressions
// that begin with "//", by name.
//
// window.benchmark.shown    seconds from the request until the element of each selector was visible
// window.benchmark.shifts   times in milliseconds, and values, of the layout shifts that no input caused
// window.benchmark.answered seconds from the last click until the script of the app had run; null before
// window.benchmark.settled  the same, until no visible element was still loading
;(() => {
  const selectors = SELECTORS
  const times = (window.benchmark = { shown: {}, shifts: [], answered: null, settled: null })
  let clicked = null
  let hasRun = false
  let lastMessage = null

  // React can combine the start and the end of a short run, so that the app never seems to run. Then the
  // messages of the server show that it has run.
  const QUIET_MILLISECONDS = 200
  window.WebSocket = class extends WebSocket {
    constructor(...address) {
      super(...address)
      this.addEventListener("message", () => (lastMessage = performance.now()))
    }
  }

  const find = (selector) =>
    selector.startsWith("//")
      ? document.evaluate(selector, document, null, XPathResult.FIRST_ORDERED_NODE_TYPE)
          .singleNodeValue
      : document.querySelector(selector)
  const isVisible = (element) =>
    element !== null &&
    element.checkVisibility({ visibilityProperty: true }) &&
    element.getClientRects().length > 0
  const isRunning = () =>
    document.querySelector("[data-test-script-state]")?.dataset.testScriptState !== "notRunning"
  const isLoading = () =>
    [...document.querySelectorAll('[data-testid="stSkeleton"]')].some(isVisible)

  const check = () => {
    for (const [name, selector] of Object.entries(selectors)) {
      if (!(name in times.shown) && isVisible(find(selector))) {
        times.shown[name] = performance.now() / 1000
      }
    }
    const isQuiet =
      lastMessage > clicked && performance.now() - lastMessage > QUIET_MILLISECONDS
    if (clicked !== null && times.settled === null && (hasRun || isQuiet) && !isRunning()) {
      const end = hasRun ? performance.now() : lastMessage
      const seconds = (end - clicked) / 1000
      times.answered ??= seconds
      if (!isLoading()) times.settled = seconds
    }
    requestAnimationFrame(check)
  }
  requestAnimationFrame(check)

  // A run can be shorter than the time between two frames.
  new MutationObserver(() => {
    hasRun ||= isRunning()
  }).observe(document, {
    attributes: true,
    attributeFilter: ["data-test-script-state"],
    subtree: true,
  })
  window.addEventListener(
    "click",
    () => {
      clicked = performance.now()
      times.answered = times.settled = null
      hasRun = false
    },
    { capture: true },
  )
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (!entry.hadRecentInput) times.shifts.push([entry.startTime, entry.value])
    }
  }).observe({ type: "layout-shift", buffered: true })
})()
