// Loads code for elements while the visitor looks at the page.
//
// The browser downloads and compiles the files in the background, but does not run them yet: running the
// code for charts would block the page for a second.

// The server replaces this name by a list of addresses.
const files = PRELOADED_FILES

// The first content of a page needs the connection itself.
const WAIT_MILLISECONDS = 2000

const preload = () => {
  for (const file of files) {
    const link = document.createElement("link")
    link.rel = "modulepreload"
    link.href = file
    document.head.append(link)
  }
}

if (!navigator.connection?.saveData) {
  addEventListener("load", () => setTimeout(preload, WAIT_MILLISECONDS))
}
