// Loads code for elements while the visitor looks at the page.
//
// The browser downloads and compiles the files in the background. Running them takes up to half a second, in
// which the page does not respond. With a mouse, whose movements announce a click, they run while there is no
// input. On a phone, they only run when an element needs them.

// The server replaces this name by a list of URLs.
const files = PRELOADED_FILES

// Without this delay, preloading would compete with the first content of the page for the connection.
const DELAY_MILLISECONDS = 2000
// A pause begins this long after the last input.
const PAUSE_MILLISECONDS = 500
const INPUT_EVENTS = ["pointermove", "pointerdown", "keydown", "wheel"]

let lastInput = 0
for (const type of INPUT_EVENTS) {
  addEventListener(type, (event) => (lastInput = event.timeStamp), { capture: true, passive: true })
}

const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))

const idle = () => new Promise((resolve) => (window.requestIdleCallback ?? setTimeout)(resolve))

const pause = async () => {
  for (;;) {
    await idle()
    const remaining = lastInput + PAUSE_MILLISECONDS - performance.now()
    if (remaining <= 0) return
    await wait(remaining)
  }
}

const preload = (url) =>
  new Promise((resolve, reject) => {
    const link = document.createElement("link")
    link.rel = "modulepreload"
    link.href = url
    link.onload = resolve
    link.onerror = reject
    document.head.append(link)
  })

const load = async () => {
  await wait(DELAY_MILLISECONDS)
  const urls = files.map((file) => new URL(file, document.baseURI).href)
  await Promise.all(urls.map(preload))
  if (!matchMedia("(pointer: fine)").matches) return
  for (const url of urls) {
    await pause()
    await import(url)
  }
}

if (!navigator.connection?.saveData) {
  // The element that needs a file requests it again and reports the error.
  addEventListener("load", () => load().catch(() => {}))
}
