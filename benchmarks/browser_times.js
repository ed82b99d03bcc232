// Measures the page that contains it. SELECTORS is replaced by an object: CSS selectors, or XPath expressions
// that begin with "//", by name.
//
// window.benchmark.shown    seconds from the request until the element of each selector was visible
// window.benchmark.shifts   times in milliseconds, and values, of the layout shifts that no input caused
// window.benchmark.settled  seconds from the last click until the script of the app had run and no visible
//                           element was still loading; null before
;(() => {
  const selectors = SELECTORS
  const times = (window.benchmark = { shown: {}, shifts: [], settled: null })
  let clicked = null
  let hasRun = false

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
    const isWaiting = clicked !== null && times.settled === null
    if (isWaiting && hasRun && !isRunning() && !isLoading()) {
      times.settled = (performance.now() - clicked) / 1000
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
      times.settled = null
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
