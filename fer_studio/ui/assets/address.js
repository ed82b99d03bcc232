// Shows the selections of a page in the address, and asks before unsaved results are lost.
//
// data.page    the page that the selections belong to, such as "dataset"; empty for a part of a page
//              that is drawn as a whole: the page itself follows
// data.query   the selections as a query string, without "?"
// data.unsaved the version of the results that would be lost with this tab; empty if there are none
export default function ({ data }) {
  if (!data.page) return
  const { pathname, search, hash } = window.location
  // A page that was just left may still be drawn: its selections must not get into the next address.
  if (pathname.endsWith("/" + data.page)) {
    // Streamlit's own options, such as "embed", stay.
    const kept = [...new URLSearchParams(search)].filter(([name]) => name.startsWith("embed"))
    const query = [new URLSearchParams(kept).toString(), data.query].filter(Boolean).join("&")
    const wanted = query ? "?" + query : ""
    if (search !== wanted) {
      // Replaced, so that "back" leads to the previous page, not through every selection.
      window.history.replaceState(window.history.state, "", pathname + wanted + hash)
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
