// The address leads to the file that table.py lists as a resource of the component.
import {
  FormatModule,
  ResizeTableModule,
  ResponsiveLayoutModule,
  SortModule,
  Tabulator,
} from "../_resources/modules/vendor/tabulator-6.5.3.min.js"

Tabulator.registerModule([FormatModule, ResizeTableModule, ResponsiveLayoutModule, SortModule])

const NATURAL = [{column: "order", dir: "asc"}]
const HOVER_MS = 30
const EDGES = 12 // px of a cell beside its buttons
const BUTTON = 26 // px of a button for a mouse
const BUTTON_TO_TOUCH = 36

const TOUCHED = window.matchMedia("(pointer: coarse)")

function element(tag, properties = {}, children = []) {
  const made = Object.assign(document.createElement(tag), properties)
  made.append(...children)
  return made
}

// Missing values stay at the end, whichever way a column is sorted.
function compare(a, b, dir) {
  if (a === null || b === null) {
    return a === b ? 0 : (a === null) === (dir === "asc") ? 1 : -1
  }
  if (Array.isArray(a)) {
    return a.map((value, at) => value - b[at]).find((difference) => difference) ?? 0
  }
  return typeof a === "number" ? a - b : String(a).localeCompare(String(b), undefined, {numeric: true})
}

const SORTED_BY = {
  number: (value) => value[0],
  text: (value) => value,
  mark: (value) => value[2],
  note: (value) => value || null,
  check: (value) => Number(value),
  sign: (value) => value[0],
}

const MOVED_BY = {ArrowUp: -1, ArrowDown: 1}

class LiveRows {
  constructor(model, root) {
    this.model = model
    this.root = root
    this.table = null
    this.number = -1
    this.current = null
    this.ids = new Set()
    this.drawings = new Map()
    this.wanted = new Map()
    this.work = Promise.resolve()
    this.told = null
    this.timer = null
    // A table needs its size before it is built: one in a hidden tab waits until it is shown.
    this.observer = new ResizeObserver(() => this.root.clientWidth && this.root.clientHeight && this.start())
    this.observer.observe(root)
  }

  start() {
    this.observer.disconnect()
    const {model} = this
    this.kinds = new Map(model.columns.map((column) => [column.field, column]))
    this.table = new Tabulator(this.root, {
      index: "id",
      height: "100%",
      rowHeight: model.row_height,
      layout: "fitColumns",
      responsiveLayout: "hide",
      columnHeaderSortMulti: false,
      initialSort: NATURAL,
      headerSortElement: (column, dir) => ({asc: "▲", desc: "▼"})[dir] ?? "",
      placeholder: () => this.number < 0 ? " " : element("div", {className: "empty", textContent: model.empty}),
      columns: [{field: "order", visible: false, sorter: (a, b) => compare(a, b, "asc")}, ...model.columns.map((column) => this.column(column))],
      rowFormatter: (row) => this.dress(row.getElement(), row.getIndex()),
    })
    this.table.on("tableBuilt", () => {
      // The grid itself has the focus and names its current row: rows come and go while scrolling.
      this.holder = this.root.querySelector(".tabulator-tableholder")
      this.holder.tabIndex = -1
      this.root.tabIndex = 0
      this.root.setAttribute("aria-label", model.label)
      for (const head of this.root.querySelectorAll(".tabulator-col.tabulator-sortable")) {
        head.tabIndex = 0
      }
      this.root.classList.add("is-natural")
      this.listen()
      model.send_msg({ask: "rows"})
    })
    // Elements of rows that were out of sight still have the marks of that time.
    this.table.on("scrollVertical", () => this.mark())
    this.table.on("renderComplete", () => {
      if (this.to_top) {
        this.to_top = false
        this.holder.scrollTop = 0
      }
      this.mark()
    })
    this.table.on("dataSorted", (sorters) => {
      const sorted = JSON.stringify(sorters.map(({field, dir}) => [field, dir]))
      if (!sorters.length) {
        // The third click on a header takes its sorting away: back to the natural order.
        setTimeout(() => this.table.setSort(NATURAL))
      }
      this.root.classList.toggle("is-natural", sorters.every(({field}) => field === "order"))
      this.to_top = this.sorted !== undefined && sorted !== this.sorted
      this.sorted = sorted
    })
  }

  column({field, title, kind, width, grow, keep, right, descending, sortable, hint}) {
    const value = SORTED_BY[kind]
    const buttons = kind === "actions" && TOUCHED.matches ? Math.floor((width - EDGES) / BUTTON) : 0
    const wide = buttons > 1 ? EDGES + buttons * BUTTON_TO_TOUCH : width
    return {
      field,
      title,
      minWidth: wide,
      width: grow ? undefined : wide,
      widthGrow: grow,
      responsive: keep,
      hozAlign: right ? "right" : "left",
      headerHozAlign: right ? "right" : "left",
      cssClass: `kind-${kind}${right ? " is-right" : ""}`,
      headerSort: Boolean(sortable && value),
      headerSortTristate: true,
      headerSortStartingDir: descending ? "desc" : "asc",
      sorter: value ? (a, b, one, other, column, dir) => compare(value(a), value(b), dir) : undefined,
      titleFormatter: (cell, _, rendered) => {
        rendered(() => hint && cell.getElement().setAttribute("title", hint))
        return element("span", {textContent: title})
      },
      formatter: (cell) => this.cell(kind, cell),
    }
  }

  cell(kind, cell) {
    const value = cell.getValue()
    const field = cell.getField()
    const id = cell.getRow().getIndex()
    if (kind === "number") {
      const [, text, tone, words] = value
      cell.getElement().title = words ?? ""
      return element("span", {textContent: text, className: tone ? `is-${tone}` : ""})
    } else if (kind === "mark") {
      const [name, symbol, text] = value
      const mark = element("span", {className: `mark is-${name}`, textContent: symbol})
      mark.setAttribute("aria-hidden", "true")
      cell.getElement().title = text
      return element("span", {className: "marked"}, [mark, element("span", {className: "said", textContent: text})])
    } else if (kind === "actions") {
      const actions = this.kinds.get(field).actions
      return element("span", {}, value.map((name) => this.button(actions[name], name, id)))
    } else if (kind === "drawn") {
      const known = this.drawings.get(`${field}/${id}`)
      if (value !== null && known?.key !== value) {
        this.want(field, id)
      }
      return element("span", {className: "drawn", innerHTML: known?.html ?? ""})
    }
    if (kind === "sign") {
      const [name, symbol, words] = value
      const sign = element("span", {className: `sign is-${name}`, textContent: symbol, title: words})
      sign.setAttribute("role", "img")
      sign.setAttribute("aria-label", words)
      return sign
    } else if (kind === "note") {
      const written = element("span", {className: "note-text", textContent: value || "add a note"})
      written.classList.toggle("is-empty", !value)
      cell.getElement().title = value || "Write a note: press it, or F2 on the row"
      return written
    } else if (kind === "check") {
      const box = element("input", {type: "checkbox", checked: value, tabIndex: -1})
      box.setAttribute("aria-label", `${this.kinds.get(field).hint}: ${cell.getRow().getData().name ?? id}`)
      return box
    } else if (kind === "handle" && value === false) {
      return element("span")
    } else if (kind === "handle") {
      const handle = element("span", {className: "handle", textContent: "⠿"})
      handle.title = "Drag to another place; by keyboard: Alt and the arrow keys on the row"
      handle.setAttribute("aria-hidden", "true")
      return handle
    }
    cell.getElement().title = value
    return element("span", {textContent: value})
  }

  button({label, symbol}, name, id) {
    const made = element("button", {type: "button", textContent: symbol, title: label, tabIndex: -1})
    made.dataset.action = name
    made.setAttribute("aria-label", `${label}: ${this.table.getRow(id).getData().name ?? id}`)
    return made
  }

  // What a row draws is asked for when it comes into sight, all of one frame together.
  want(field, id) {
    if (!this.wanted.size) {
      requestAnimationFrame(() => {
        const cells = [...this.wanted].map(([name, ids]) => [name, [...ids]])
        this.wanted.clear()
        this.model.send_msg({ask: "drawings", cells})
      })
    }
    if (!this.wanted.has(field)) {
      this.wanted.set(field, new Set())
    }
    this.wanted.get(field).add(id)
  }

  take(text) {
    const said = JSON.parse(text)
    this.work = this.work.then(() => this.apply(said))
  }

  async apply({number, rows, put, patch, gone, drawings}) {
    for (const [field, id, key, html] of drawings ?? []) {
      this.drawings.set(`${field}/${id}`, {key, html})
    }
    if (rows) {
      this.number = number
      this.ids = new Set(rows.map(({id}) => id))
      await this.table.setData(rows)
      this.refit()
    } else if (number !== undefined) {
      if (number !== this.number + 1) {
        // A message was lost, as when the connection was: start again from the whole.
        if (this.number >= 0 && number > this.number) {
          this.model.send_msg({ask: "rows"})
        }
        return
      }
      this.number = number
      await this.change(put, patch, gone)
    }
    for (const [field, id] of drawings ?? []) {
      this.redraw(field, id)
    }
  }

  async change(put, patch, gone) {
    const sorted = this.table.getSorters().map(({field, dir}) => ({column: field, dir}))
    const moved = put.length || patch.some((one) => sorted.some(({column}) => column in one))
    gone.forEach((id) => this.ids.delete(id))
    put.forEach(({id}) => this.ids.add(id))
    if (gone.length) {
      await this.table.deleteRow(gone)
    }
    if (put.length) {
      await this.table.addData(put)
    }
    if (patch.length) {
      await this.table.updateData(patch)
    }
    if (moved) {
      this.table.setSort(sorted)
    }
    this.refit()
  }

  redraw(field, id) {
    const place = this.ids.has(id) && this.table.getRow(id).getCell(field).getElement().querySelector(".drawn")
    if (place) {
      place.innerHTML = this.drawings.get(`${field}/${id}`).html
    }
  }

  // Rows and marks

  shown(id) {
    return this.root.querySelector(`.tabulator-row[data-id="${id}"]`)
  }

  dress(row, id) {
    row.dataset.id = id
    row.id = `row-${id}`
    row.classList.toggle("is-hovered", id === this.model.hovered)
    row.classList.toggle("is-inspected", id === this.model.inspected)
    row.classList.toggle("is-current", id === this.current)
    row.setAttribute("aria-selected", String(id === this.model.inspected))
  }

  refit() {
    this.root.setAttribute("aria-rowcount", this.table.getDataCount())
    this.mark()
  }

  mark() {
    for (const row of this.root.querySelectorAll(".tabulator-row")) {
      this.dress(row, Number(row.dataset.id))
    }
  }

  reveal(id) {
    const height = this.root.querySelector(".tabulator-row")?.offsetHeight
    if (!height || !this.ids.has(id)) {
      return
    }
    // All rows are equally high, those out of sight too.
    const bottom = this.table.getRow(id).getPosition() * height
    const {scrollTop, clientHeight} = this.holder
    if (bottom - height < scrollTop) {
      this.holder.scrollTop = bottom - height
    } else if (bottom > scrollTop + clientHeight) {
      this.holder.scrollTop = bottom - clientHeight
    }
  }

  // What a person does

  listen() {
    const row_of = (event) => {
      const row = event.target.closest?.(".tabulator-row")
      return row ? Number(row.dataset.id) : null
    }
    this.root.addEventListener("mouseover", (event) => this.hover(row_of(event)))
    this.root.addEventListener("mouseleave", () => this.hover(null))
    this.root.addEventListener("pointerdown", (event) => {
      if (event.button === 0 && event.target.closest(".handle") && this.natural()) {
        this.drag(row_of(event), event)
      }
    })
    // Else Chromium takes a quick drag by finger for a fling, and loses the next tap.
    this.root.addEventListener("touchmove", (event) => {
      if (event.cancelable && this.root.querySelector(".drop-line")) event.preventDefault()
    }, {passive: false})
    this.root.addEventListener("click", (event) => {
      const id = row_of(event)
      const button = event.target.closest("button[data-action]")
      if (id === null || event.target.closest(".note-input, .kind-handle")) {
        return
      } else if (event.target.matches("input[type=checkbox]")) {
        // Ticked once the server says so: it may refuse.
        event.preventDefault()
        this.model.send_msg({check: [id, event.target.checked]})
      } else if (event.target.closest(".kind-note")) {
        this.step(id)
        this.write(id)
      } else if (button) {
        this.model.send_msg({act: [id, button.dataset.action]})
      } else {
        this.step(id)
        this.model.send_msg({click: id})
      }
    })
    this.root.addEventListener("keydown", (event) => this.key(event))
    this.root.addEventListener("blur", () => this.hover(null))
  }

  hover(id) {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => {
      if (id !== this.told) {
        this.told = id
        this.model.send_msg({hover: id})
      }
    }, HOVER_MS)
  }

  // Rows have places of their own only while nothing else sorts them.
  natural() {
    const sorters = this.table.getSorters()
    return sorters.length === 1 && sorters[0].field === "order"
  }

  drag(id, start) {
    const ids = this.table.getRows("active").map((row) => row.getIndex())
    const line = element("div", {className: "drop-line"})
    const row = this.shown(id)
    let before = id
    const place = (event) => {
      const box = this.holder.getBoundingClientRect()
      const height = row.offsetHeight
      // Near an edge the rows scroll, so that a row can be dragged further than is seen.
      this.holder.scrollTop += event.clientY < box.top + height / 2 ? -8 : event.clientY > box.bottom - height / 2 ? 8 : 0
      const within = event.clientY - box.top + this.holder.scrollTop
      const at = Math.min(Math.max(Math.round(within / height), 0), ids.length)
      before = at < ids.length ? ids[at] : null
      line.style.top = `${box.top - this.root.getBoundingClientRect().top + at * height - this.holder.scrollTop - 1}px`
    }
    const end = (event) => {
      this.root.removeEventListener("pointermove", place)
      this.root.removeEventListener("pointerup", end)
      this.root.removeEventListener("pointercancel", end)
      removeEventListener("keydown", escape, true)
      row.classList.remove("is-dragged")
      line.remove()
      const stays = before === id || before === (ids[ids.indexOf(id) + 1] ?? null)
      if (event.type === "pointerup" && !stays) {
        this.model.send_msg({move: [id, before]})
      }
    }
    const escape = (event) => {
      if (event.key === "Escape") {
        end(event)
      }
    }
    start.preventDefault()
    this.root.setPointerCapture(start.pointerId)
    this.root.append(line)
    row.classList.add("is-dragged")
    this.root.addEventListener("pointermove", place)
    this.root.addEventListener("pointerup", end)
    this.root.addEventListener("pointercancel", end)
    addEventListener("keydown", escape, true)
    place(start)
  }

  write(id) {
    const field = [...this.kinds.values()].find(({kind}) => kind === "note")?.field
    const row = this.ids.has(id) && this.table.getRow(id)
    if (!field || !row || !this.shown(id)) {
      return
    }
    const cell = row.getCell(field).getElement()
    if (cell.querySelector(".note-input")) {
      return
    }
    const old = row.getData()[field]
    const input = element("textarea", {className: "note-input", value: old, rows: 1, maxLength: 10000})
    input.setAttribute("aria-label", `Note on ${row.getData().name ?? id}`)
    let ended = false
    const end = (keep) => {
      if (ended) {
        return
      }
      ended = true
      const text = input.value.trim()
      const focused = this.root.getRootNode().activeElement === input
      input.replaceWith(this.cell("note", row.getCell(field)))
      if (focused) {
        this.root.focus({preventScroll: true})
      }
      if (keep && text !== old) {
        this.model.send_msg({edit: [id, text]})
      }
    }
    input.addEventListener("blur", () => end(true))
    input.addEventListener("keydown", (event) => {
      event.stopPropagation()
      if (event.key === "Escape" || (event.key === "Enter" && !event.shiftKey)) {
        event.preventDefault()
        end(event.key === "Enter")
      }
    })
    cell.replaceChildren(input)
    input.focus()
    input.select()
  }

  key(event) {
    if (event.target.matches(".tabulator-col") && ["Enter", " "].includes(event.key)) {
      event.preventDefault()
      event.target.click()
      return
    }
    // A click leaves the focus on what holds the rows.
    if (event.target !== this.root && event.target !== this.holder) {
      return
    }
    const ids = this.table.getRows("active").map((row) => row.getIndex())
    const at = ids.indexOf(this.current)
    if (event.altKey && event.key in MOVED_BY && at >= 0) {
      event.preventDefault()
      const to = at + MOVED_BY[event.key]
      if ([...this.kinds.values()].some(({kind}) => kind === "handle") && this.natural() && to >= 0 && to < ids.length) {
        this.model.send_msg({move: [this.current, (event.key === "ArrowUp" ? ids[to] : ids[to + 1]) ?? null]})
      }
      return
    }
    const page = Math.max(1, Math.floor(this.holder.clientHeight / this.model.row_height) - 1)
    const to = {
      ArrowDown: at + 1,
      ArrowUp: at < 0 ? 0 : at - 1,
      PageDown: at + page,
      PageUp: at - page,
      Home: 0,
      End: ids.length - 1,
    }[event.key]
    if (to !== undefined && ids.length) {
      event.preventDefault()
      this.step(ids[Math.min(Math.max(to, 0), ids.length - 1)])
      this.reveal(this.current)
      this.hover(this.current)
    } else if (event.key === "Enter" && at >= 0) {
      event.preventDefault()
      this.model.send_msg({click: this.current})
    } else if (event.key === "Delete" && at >= 0) {
      const ending = "button:is([data-action=remove], [data-action=cancel])"
      this.shown(this.current)?.querySelector(ending)?.click()
    } else if (event.key === " " && at >= 0) {
      event.preventDefault()
      this.shown(this.current)?.querySelector("input[type=checkbox]")?.click()
    } else if (event.key === "F2" && at >= 0) {
      event.preventDefault()
      this.write(this.current)
    }
  }

  step(id) {
    this.current = id
    this.root.setAttribute("aria-activedescendant", `row-${id}`)
    this.mark()
  }

  end() {
    clearTimeout(this.timer)
    this.observer.disconnect()
    this.table?.destroy()
  }
}

export function render({model}) {
  const root = element("div", {className: "live-table"})
  const rows = new LiveRows(model, root)
  model.on("msg:custom", (text) => rows.table && rows.take(text))
  model.on("hovered", () => rows.table && rows.mark())
  model.on("empty", () => {
    const words = rows.root.querySelector(".empty")
    if (words != null) words.textContent = model.empty
  })
  model.on("inspected", () => {
    if (rows.table) {
      rows.mark()
      rows.reveal(model.inspected)
    }
  })
  model.on("remove", () => rows.end())
  return root
}
