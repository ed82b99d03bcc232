// Adds styles to the frame of the webcam component, which has no option for styles.
//
// data.css  the styles, see webcam_frame.css
export default function ({ data, parentElement }) {
  const stage = parentElement.closest(".st-key-webcam_stage")
  if (!stage) return
  let frameRequest = 0
  // After a minute, the search for the component's frame ends.
  const deadline = performance.now() + 60_000

  const addStyles = () => {
    cancelAnimationFrame(frameRequest)
    const frameDocument = stage.querySelector("iframe")?.contentDocument
    if (frameDocument?.getElementById("root")) {
      if (frameDocument.getElementById("fer-studio")) return
      const style = frameDocument.createElement("style")
      style.id = "fer-studio"
      style.textContent = data.css
      frameDocument.head.append(style)
    } else if (stage.isConnected && performance.now() < deadline) {
      // The frame is looked for again before every repaint of the browser, so that the component never
      // appears without styles.
      frameRequest = requestAnimationFrame(addStyles)
    }
  }

  const observer = new MutationObserver(addStyles)
  observer.observe(stage, { childList: true, subtree: true })
  addStyles()
  return () => {
    observer.disconnect()
    cancelAnimationFrame(frameRequest)
  }
}
