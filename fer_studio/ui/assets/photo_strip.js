// The photos of an analysis as a row of thumbnails; a click or an arrow key chooses one.
//
// data.items     {title, detail, color, picture} of each photo; "picture" is a data URL or null
// data.selected  the position of the chosen photo
//
// Sends "chosen", the position of the photo that the user chooses.
export default function ({ data, parentElement, setTriggerValue }) {
  const strip = parentElement.querySelector(".strip")
  fillStrip(strip, data.items, data.selected, {
    paint: (element, item) => {
      if (item.picture) element.style.backgroundImage = `url(${item.picture})`
    },
    select: (position) => {
      markSelected(strip, position)
      setTriggerValue("chosen", position)
    },
  })
}
