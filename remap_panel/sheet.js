// HTML whose parts can be pressed, previewed and walked through, see sheet.py.
const HOVER_MS = 30
const STEPS = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0]}

export function render({model}) {
  const place = document.createElement("div")
  place.className = "sheet"
  let told = ""
  let timer = null

  const keyed = (key) => [...place.querySelectorAll("[data-key]")].filter((one) => one.dataset.key === key)

  const press = () => {
    for (const one of place.querySelectorAll("[aria-pressed]")) {
      one.setAttribute("aria-pressed", String(model.pressed.includes(one.dataset.key)))
    }
  }

  const fill = () => {
    for (const one of place.querySelectorAll("[data-text]")) {
      const text = model.texts[one.dataset.text] ?? ""
      if (one.textContent !== text) one.textContent = text
    }
  }

  const show = () => {
    const focus = place.getRootNode().activeElement?.dataset?.key
    const scrolled = [...place.querySelectorAll("[data-scroll]")].map((one) => [one.dataset.scroll, one.scrollLeft, one.scrollTop])
    place.innerHTML = model.html
    for (const [name, left, top] of scrolled) {
      const one = [...place.querySelectorAll("[data-scroll]")].find((each) => each.dataset.scroll === name)
      if (one) [one.scrollLeft, one.scrollTop] = [left, top]
    }
    press()
    fill()
    if (focus !== undefined) keyed(focus)[0]?.focus({preventScroll: true})
  }

  const hover = (value) => {
    clearTimeout(timer)
    timer = setTimeout(() => {
      if (value !== told) {
        told = value
        model.send_msg({hover: value})
      }
    }, HOVER_MS)
  }

  const hovered = (event) => event.target.closest?.("[data-hover]")?.dataset.hover ?? ""
  place.addEventListener("mouseover", (event) => hover(hovered(event)))
  place.addEventListener("mouseleave", () => hover(""))
  place.addEventListener("focusin", (event) => hover(hovered(event)))
  place.addEventListener("focusout", () => hover(""))

  place.addEventListener("click", (event) => {
    const one = event.target.closest("[data-act]:not(input, select)")
    if (one && one.getAttribute("aria-disabled") !== "true") {
      model.send_msg({act: one.dataset.act, value: one.dataset.value ?? ""})
    }
  })

  place.addEventListener("change", (event) => {
    const one = event.target.closest("input[data-act], select[data-act]")
    if (one) {
      const value = one.type === "checkbox" ? String(one.checked) : one.value
      model.send_msg({act: one.dataset.act, value: `${one.dataset.name ?? ""}${value}`})
    }
  })

  // One stop for the Tab key in each grid; the arrow keys go from cell to cell.
  place.addEventListener("keydown", (event) => {
    const step = STEPS[event.key]
    const grid = event.target.closest("[data-grid]")
    const cell = event.target.closest("td, th")
    if (!step || !grid || !cell) return
    event.preventDefault()
    const rows = [...grid.rows]
    let [row, column] = [rows.indexOf(cell.parentElement), cell.cellIndex]
    for (;;) {
      [row, column] = [row + step[0], column + step[1]]
      const next = rows[row]?.cells[column]
      if (!next) return
      const button = next.querySelector("button")
      if (button) {
        event.target.tabIndex = -1
        button.tabIndex = 0
        button.focus()
        return
      }
    }
  })

  model.on("html", show)
  model.on("pressed", press)
  model.on("texts", fill)
  model.on("remove", () => clearTimeout(timer))
  show()
  return place
}
