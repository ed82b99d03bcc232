// Writes the selections of a page to the address, and asks before the tab is closed with unsaved results.
//
// data.page    the page that the selections belong to, such as "dataset"; empty if this component should do
//              nothing, because the page draws another one later
// data.query   the selections as a query string, without "?"
// data.unsaved the versions of the results that would be lost with this tab; empty if there are none
export default function ({ data }) {
  if (!data.page) return
  const { pathname, search, hash } = window.location
  // This script may still run for a page that was just left, whose selections must not get into the
  // address of the next page.
  if (pathname.endsWith("/" + data.page)) {
    // Streamlit's own options, such as "embed", are kept.
    const options = [...new URLSearchParams(search)].filter(([name]) => name.startsWith("embed"))
    const query = [new URLSearchParams(options).toString(), data.query].filter(Boolean).join("&")
    const newSearch = query ? "?" + query : ""
    if (search !== newSearch) {
      // The entry in the browser's history is replaced, so that "back" leads to the previous page and
      // not through every selection.
      window.history.replaceState(window.history.state, "", pathname + newSearch + hash)
    }
  }
  window.ferStudioUnsaved = data.unsaved
  window.onbeforeunload = (event) => {
    if (data.unsaved && data.unsaved !== window.ferStudioSaved) event.preventDefault()
  }
  document.addEventListener("click", noticeDownload, true)
}

// Results count as saved after a click on a download button, until there are other results.
function noticeDownload({ target }) {
  if (target.closest?.('[data-testid="stDownloadButton"]')) {
    window.ferStudioSaved = window.ferStudioUnsaved
  }
}
