// Adds styles to the frame of the webcam component, which has no option for them.
//
// data.css  the styles
export default function ({ data, parentElement }) {
  const stage = parentElement.closest(".st-key-webcam_stage")
  if (!stage) return
  let waiting = 0
  const deadline = performance.now() + 60_000

  const addStyles = () => {
    cancelAnimationFrame(waiting)
    const page = stage.querySelector("iframe")?.contentDocument
    if (page?.getElementById("root")) {
      if (page.getElementById("fer-studio")) return
      const style = page.createElement("style")
      style.id = "fer-studio"
      style.textContent = data.css
      page.head.append(style)
    } else if (stage.isConnected && performance.now() < deadline) {
      // Asked at every frame of the browser, so that the component never appears without styles.
      waiting = requestAnimationFrame(addStyles)
    }
  }

  const observer = new MutationObserver(addStyles)
  observer.observe(stage, { childList: true, subtree: true })
  addStyles()
  return () => {
    observer.disconnect()
    cancelAnimationFrame(waiting)
  }
}
