// The SNAC as a control, see editor.py. The server says what stands where and draws each block;
// this script marks, brushes and drags blocks, and tells what the person wishes.

const DRAGGED = 5 // px after which a press is no click
const OUT = 48 // px around the layers that still belong to them
const GHOSTS = 8 // blocks drawn under the mouse at most
const PATIENCE = 3000 // ms after which a step is no longer waited for, as when the connection broke

const EDITS = {
  prepend: ["put a new layer before", "M10.5 3.5h3v9h-3zM2 8h5.5M4.75 5.25v5.5"],
  remove: ["remove", "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 0 0 0-11zM4.2 11.8l7.6-7.6"],
  replace: ["replace by another layer", "M3 5.5h9.5m-2.5-2.5l2.5 2.5l-2.5 2.5M13 10.5h-9.5m2.5-2.5l-2.5 2.5l2.5 2.5"],
  reparameterize: ["change a parameter", "M3 13l.8-3.2 7-7a1.4 1.4 0 0 1 2.4 2.4l-7 7zM9.4 4.2l2.4 2.4"],
}

const TIPS = {
  choose: "Click layers or drag across them. With none chosen, all are meant.",
  vary: "Switch what may happen at each layer. Drag across layers to switch several at once.",
  craft: "Drag a kind from above between two layers; drag layers to move them, or out to remove them.",
}

function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value != null) made.setAttribute(name, value === true ? "" : value)
  }
  made.append(...children)
  return made
}

function picture(svg) {
  const made = make("span", {class: "picture"})
  made.innerHTML = svg // of our own making
  return made
}

function icon(path) {
  const made = make("span", {class: "icon", "aria-hidden": "true"})
  made.innerHTML = `<svg viewBox="0 0 16 16" width="16" height="16"><path d="${path}"/></svg>`
  return made
}

function button(words, attributes = {}, ...children) {
  return make("button", {type: "button", ...attributes}, ...(children.length ? children : [words]))
}

const span = (a, b) => Array.from({length: Math.abs(b - a) + 1}, (_, k) => Math.min(a, b) + k)
const sorted = (some) => [...new Set(some)].sort((a, b) => a - b)
const same = (a, b) => a.length === b.length && a.every((one, at) => one === b[at])

// A copied run of layers, for all editors of the page where the browser gives no clipboard.
let clipboard = ""

class Editor {
  constructor(model) {
    this.model = model
    this.current = 0 // the layer that has, or would get, the keyboard's focus
    this.anchor = 0 // where a range begins
    this.caret = 0 // the place at which something is put in
    this.press = null
    this.held = false // whether something is pressed
    this.stale = false // whether something came while it was
    this.painted = null // what is chosen while a brush moves
    this.lent = [] // chosen layers of the other model
    this.step_count = 0 // wished so far
    this.since = 0 // when the last was wished
    this.next = [] // what the person did while a step was awaited
    this.adopted = 0 // the step whose outcome has the mark and the focus
    this.id = `editor-${model.id}`
    this.parts()
    this.listen()
    this.fill()
    this.caret = this.count
    this.mark()
  }

  get mode() { return this.model.mode }
  get cells() { return this.model.cells }
  get count() { return Math.max(0, this.cells.length - 1) } // without the output layer
  get chosen() { return this.painted ?? this.model.chosen }
  get last() { return this.mode === "vary" ? this.count : this.count - 1 } // that can be chosen

  parts() {
    this.tools = make("div", {class: "tools", role: "toolbar", "aria-label": "Editing"})
    this.palette = make("div", {class: "palette", role: "toolbar", "aria-label": "Kinds of layers: put one in at the mark"})
    this.strip = make("div", {class: "strip", role: "group"})
    this.legend = make("p", {class: "legend"},
      "Bars: accuracy without the layer, against the baseline. Dashed, in brackets: no clear effect.")
    this.readout = make("p", {class: "readout", id: `${this.id}-readout`})
    this.panel = make("div", {class: "panel", role: "group", "aria-label": "Parameters"})
    this.text = make("input", {type: "text", spellcheck: "false", autocomplete: "off", autocapitalize: "off", id: `${this.id}-text`, "aria-describedby": `${this.id}-wrong`, placeholder: "conv16x3 relu max2 dense64"})
    this.wrong = make("p", {class: "wrong", role: "alert", id: `${this.id}-wrong`})
    this.line = make("div", {class: "line"}, make("label", {for: this.text.id}, "As text"), this.text)
    this.summary = make("div", {class: "summary"})
    this.picker = make("select", {"aria-label": "Model to take layers from"})
    this.take = button("Put in at the mark", {disabled: true})
    this.take_all = button("All of them", {disabled: true})
    this.lender = make("div", {class: "strip is-lent", role: "group", "aria-label": "Layers of the other model"})
    this.donor = make("details", {class: "donor"},
      make("summary", {}, "Take layers from another model"),
      make("div", {class: "row"}, this.picker, this.take, this.take_all),
      this.lender)
    this.ghost = make("div", {class: "ghost", hidden: true, "aria-hidden": "true"})
    this.said = make("p", {class: "unseen", role: "status"})
    this.body = make("div", {class: "editor"}, this.tools, this.palette, this.strip, this.legend, this.readout,
      this.wrong, this.panel, this.summary, this.line, this.donor, this.ghost, this.said)
    this.root = this.body
  }

  // What is shown

  fill() {
    const {mode, model} = this
    this.stale = false
    const focus = this.place_of_focus()
    this.body.dataset.mode = mode
    this.strip.setAttribute("aria-label", model.label)
    this.strip.replaceChildren(...this.cells.map((cell, at) => this.cell(cell, at)))
    if (!this.cells.length) this.strip.append(make("p", {class: "empty"}, "No model is chosen yet."))
    this.current = Math.min(this.current, Math.max(0, this.count))
    this.caret = Math.min(this.caret, this.count)
    const crafting = mode === "craft"
    for (const part of [this.palette, this.panel, this.line, this.summary]) part.hidden = !crafting
    this.legend.hidden = mode !== "choose" || !Object.keys(model.bars).length
    this.donor.hidden = !crafting || !model.donors.length
    if (crafting && this.adopted !== model.answered && model.answered === this.step_count) {
      this.adopted = model.answered
      if (model.chosen.length) {
        this.current = model.chosen[0]
        this.anchor = this.current
        this.caret = Math.max(...model.chosen) + 1
      }
    }
    this.fill_tools()
    if (crafting) {
      this.fill_palette()
      this.fill_summary()
      this.fill_donors()
    }
    this.mark()
    this.fill_panel()
    this.focus_again(focus)
    this.read(null)
    this.go_on()
  }

  cell(cell, at) {
    const output = at === this.count
    const name = [cell.said, cell.fault && `cannot stand here: ${cell.fault}`, cell.note, this.bar_words(at),
      {added: "added", changed: "changed"}[cell.mark]].filter(Boolean).join("; ")
    const block = button("", {class: "block", tabindex: -1, "aria-label": name,
      "aria-disabled": at > this.last ? "true" : null}, picture(cell.svg))
    block.style.setProperty("--top", `${cell.top}px`)
    const children = []
    if (this.mode === "craft") {
      const gap = button("", {class: `gap${cell.gap ? " is-cut" : ""}`, tabindex: -1, "data-at": at,
        "aria-label": `Put in before ${cell.words}`, title: cell.gap ? "something was taken out here" : "put in here"})
      children.push(gap)
    }
    const column = make("div", {class: "column"}, block)
    if (this.mode === "craft") {
      column.append(make("span", {class: "size", "aria-hidden": "true"}, cell.size[0], make("br"), cell.size[1] || "\u00a0"))
    } else if (this.mode === "vary") {
      column.append(this.toggles(cell, at))
    } else if (Object.keys(this.model.bars).length) {
      column.append(this.bar(at))
    }
    children.push(column)
    const classes = ["cell", output && "is-output", cell.fault && "is-fault", cell.note && "is-noted",
      cell.mark && `is-${cell.mark}`].filter(Boolean).join(" ")
    return make("div", {class: classes, "data-layer": at}, ...children)
  }

  toggles(cell, at) {
    const made = make("div", {class: "toggles", role: "group", "aria-label": `What may happen at ${cell.words}`})
    for (const name of this.model.esm_constants.edits.slice().sort((a, b) => ORDER.indexOf(a) - ORDER.indexOf(b))) {
      const [words, path] = EDITS[name]
      const can = cell.can.includes(name)
      const where = at === this.count ? "the output layer" : `${cell.words} at ${at}`
      made.append(button("", {class: "toggle", "data-edit": name, tabindex: -1, disabled: !can,
        title: can ? `${name}: ${words}` : `${name}: not possible here`,
        "aria-label": `${name} ${where}`, "aria-pressed": "false"}, icon(path)))
    }
    return made
  }

  bar(at) {
    const bar = this.model.bars[at]
    const made = make("span", {class: "bar", "aria-hidden": "true"}, make("i", {class: "zero"}))
    if (!bar) return at === this.count ? "" : made
    const percent = (share) => `${50 - 46 * share}%`
    const body = make("i", {class: `is-${bar.to < 0 ? "worse" : "better"}${bar.clear ? "" : " is-unclear"}`})
    body.style.top = percent(Math.max(0, bar.to))
    body.style.bottom = `${50 + 46 * Math.min(0, bar.to)}%`
    made.append(body)
    if (bar.low != null && bar.high != null) {
      const whisker = make("i", {class: "whisker"})
      whisker.style.top = percent(bar.high)
      whisker.style.bottom = `${50 + 46 * bar.low}%`
      made.append(whisker)
    }
    const number = make("b", {class: bar.clear ? (bar.to < 0 ? "worse" : "better") : ""}, bar.clear ? bar.short : `(${bar.short})`)
    return make("span", {class: "importance"}, made, number)
  }

  bar_words(at) { return this.model.bars[at]?.words ?? "" }

  fill_tools() {
    const {mode, model} = this
    const tool = (words, key, press, off) => {
      const made = button(words, {"data-key": words, title: key ? `${words} (${key})` : words, disabled: off})
      made.addEventListener("click", press)
      return made
    }
    const tools = []
    if (mode === "vary") {
      const chosen = this.chosen.length
      tools.push(make("span", {class: "lead"}, chosen ? `At the ${chosen === 1 ? "chosen layer" : `${chosen} chosen layers`}:` : "At all layers:"))
      for (const name of ORDER) {
        const [words, path] = EDITS[name]
        const made = button("", {class: "bulk", "data-key": name, "aria-pressed": String(this.all_allow(name)), title: words},
          icon(path), name)
        made.addEventListener("click", () => this.allow(this.targets(), name, !this.all_allow(name)))
        tools.push(made)
      }
    } else if (mode === "choose") {
      tools.push(
        make("span", {class: "lead"}, this.chosen.length ? `${this.chosen.length} of ${this.count} layers chosen` : `All ${this.count} layers`),
        tool("Choose all", "Ctrl+A", () => this.choose(span(0, this.count - 1)), !this.count),
        tool("Choose none", "Escape", () => this.choose([]), !this.chosen.length),
      )
    } else {
      const none = !this.chosen.length
      tools.push(
        tool("Undo", "Ctrl+Z", () => this.then(() => this.wish({do: "undo"})), !model.steps[0]),
        tool("Redo", "Ctrl+Y", () => this.then(() => this.wish({do: "redo"})), !model.steps[1]),
        make("span", {class: "rule"}),
        tool("Copy", "Ctrl+C", () => this.copy(), none),
        tool("Cut", "Ctrl+X", () => this.then(() => this.cut()), none),
        tool("Paste", "Ctrl+V", () => this.then(() => this.wish({paste: [this.caret, clipboard]})), !clipboard),
        tool("Remove", "Delete", () => this.then(() => this.remove()), none),
        make("span", {class: "rule"}),
        tool("Earlier", "Alt+←", () => this.then(() => this.shift(-1)), none || this.chosen[0] === 0),
        tool("Later", "Alt+→", () => this.then(() => this.shift(1)), none || this.chosen.at(-1) === this.count - 1),
        make("span", {class: "rule"}),
        tool("Start from nothing", "", () => this.then(() => this.wish({do: "nothing"})), !this.count),
      )
      const base = model.summary.baseline
      if (base) tools.push(tool(`Back to ${base}`, "", () => this.then(() => this.wish({do: "restore"})), !model.summary.words))
    }
    this.keep_focus(this.tools, () => this.tools.replaceChildren(...tools))
  }

  fill_palette() {
    const now = JSON.stringify(this.model.kinds.map(({kind}) => kind))
    if (this.palette.dataset.kinds === now) return
    this.palette.dataset.kinds = now
    this.palette.replaceChildren(...this.model.kinds.map(({kind, name, svg, words, about}, at) =>
      button("", {class: "kind", "data-kind": kind, "data-key": kind, tabindex: at ? -1 : 0, title: `${words}: ${about}`,
        "aria-label": `Put in ${words}`}, picture(svg), make("span", {}, name))))
  }

  fill_summary() {
    const {problem, facts, price, words} = this.model.summary
    const fault = this.cells.some(({fault}) => fault)
    const parts = facts.map(([name, value, apart]) => make("span", {class: "fact"}, make("b", {}, value), ` ${name}`,
      ...(apart ? [make("span", {class: "apart"}, ` (${apart})`)] : [])))
    if (price) parts.push(make("span", {class: "fact"}, price))
    this.summary.replaceChildren(
      make("p", {class: `state ${problem ? (fault ? "is-wrong" : "is-idle") : "is-right"}`},
        make("span", {class: "sign", "aria-hidden": "true"}, problem ? (fault ? "!" : "○") : "✓"),
        make("span", {}, problem ? this.sentence(problem) : "This can be trained.")),
      make("p", {class: "facts"}, ...parts),
      make("p", {class: "words"}, words ? `Changes: ${words}` : ""),
    )
    const focused = this.focused()
    if (this.text !== focused || this.model.complaint.place !== "text") this.text.value = this.text.defaultValue = this.model.summary.text
  }

  sentence(words) { return `${words[0].toUpperCase()}${words.slice(1)}${/[.!?]$/.test(words) ? "" : "."}` }

  fill_donors() {
    const {donors, donor} = this.model
    const now = JSON.stringify(donors)
    if (this.picker.dataset.donors !== now) {
      this.picker.dataset.donors = now
      this.picker.replaceChildren(make("option", {value: ""}, "Choose a model…"),
        ...donors.map(([number, name]) => make("option", {value: number}, name)))
      this.picker.value = donor.number ?? ""
    }
  }

  fill_lender() {
    const {donor} = this.model
    this.lent = []
    this.picker.value = donor.number ?? ""
    this.lender.replaceChildren(...(donor.cells ?? []).map((cell, at) => make("div", {class: "cell", "data-lent": at},
      make("div", {class: "column"}, button("", {class: "block", tabindex: at ? -1 : 0, "aria-label": cell.said, "aria-pressed": "false"}, picture(cell.svg))))))
    this.mark_lent()
  }

  mark_lent() {
    for (const cell of this.lender.children) {
      const is = this.lent.includes(Number(cell.dataset.lent))
      cell.classList.toggle("is-chosen", is)
      cell.querySelector(".block").setAttribute("aria-pressed", String(is))
    }
    this.take.disabled = !this.lent.length
    this.take_all.disabled = !this.lender.children.length
  }

  fill_panel() {
    if (this.mode !== "craft") return
    const chosen = this.chosen.filter((at) => at < this.count)
    const kinds = new Set(chosen.map((at) => this.cells[at].kind))
    const children = []
    if (!chosen.length) {
      children.push(make("p", {class: "hint"}, this.count ? "Click a layer to change its parameters." : "No layer yet: put one in from above."))
    } else if (kinds.size > 1) {
      children.push(make("p", {class: "hint"}, `${chosen.length} layers of several kinds: they can be moved, copied and removed together.`))
    } else {
      const [first] = chosen
      const cell = this.cells[first]
      const kind = this.model.kinds.find(({kind}) => kind === cell.kind)
      children.push(make("h4", {}, chosen.length === 1 ? `${cell.name} at ${first}` : `${chosen.length} × ${cell.name}`))
      if (!kind?.parameters.length) children.push(make("p", {class: "hint"}, "It has no parameters."))
      for (const one of kind?.parameters ?? []) children.push(this.field(one, chosen))
      if (cell.fault) children.push(make("p", {class: "fault"}, this.sentence(cell.fault)))
    }
    this.keep_focus(this.panel, () => this.panel.replaceChildren(...children))
  }

  field({name, words, picks, choices, whole, low, high}, chosen) {
    const values = new Set(chosen.map((at) => this.cells[at].values[name]))
    const value = values.size === 1 ? [...values][0] : null
    const set = (given) => given !== value && this.wish({set: [chosen, name, given]})
    const row = make("div", {class: "field", role: "group", "aria-label": words}, make("span", {class: "name", "aria-hidden": "true"}, words))
    for (const pick of picks) {
      const made = button(String(pick), {class: "pick", "data-key": `${name}/${pick}`, "aria-pressed": String(pick === value)})
      made.addEventListener("click", () => set(pick))
      row.append(made)
    }
    if (!choices) {
      const input = make("input", {type: "number", inputmode: whole ? "numeric" : "decimal", "data-key": `${name}/input`, "aria-label": `${words}, ${low} to ${high}`,
        title: `any ${whole ? "whole number" : "number"} from ${low} to ${high}`, step: whole ? 1 : "any", value})
      input.addEventListener("change", () => input.value.trim() === "" ? this.fill_panel() : set(Number(input.value)))
      row.append(input)
    }
    return row
  }

  // Marks: what changes without the server

  mark() {
    const {chosen, mode, model} = this
    const choosable = this.cells.length && !(mode === "craft" && !this.count)
    for (const cell of this.strip.querySelectorAll(".cell")) {
      const at = Number(cell.dataset.layer)
      const is = chosen.includes(at)
      cell.classList.toggle("is-chosen", is)
      cell.classList.toggle("is-off", mode === "choose" && chosen.length > 0 && !is && at < this.count)
      const block = cell.querySelector(".block")
      if (at <= this.last) block.setAttribute("aria-pressed", String(is))
      block.tabIndex = choosable && at === this.current ? 0 : at === 0 && !choosable ? 0 : -1
      for (const toggle of cell.querySelectorAll(".toggle")) {
        toggle.setAttribute("aria-pressed", String((model.allowed[at] ?? []).includes(toggle.dataset.edit)))
      }
      cell.querySelector(".gap")?.classList.toggle("is-caret", at === this.caret)
    }
  }

  choose(some) {
    this.painted = null
    const wanted = sorted(some).filter((at) => at >= 0 && at <= this.last)
    if (!same(wanted, this.model.chosen)) this.model.chosen = wanted
    this.marked()
  }

  marked() {
    this.mark()
    this.fill_tools()
    this.fill_panel()
  }

  targets() { return this.chosen.length ? this.chosen : span(0, this.count) }

  can(at, name) { return this.cells[at]?.can.includes(name) }

  all_allow(name) {
    const some = this.targets().filter((at) => this.can(at, name))
    return some.length > 0 && some.every((at) => this.model.allowed[at]?.includes(name))
  }

  allow(places, name, is) {
    this.model.allowed = this.model.allowed.map((names, at) => {
      if (!places.includes(at) || !this.can(at, name)) return names
      const rest = names.filter((one) => one !== name)
      return is ? [...rest, name] : rest
    })
    this.mark()
    this.fill_tools()
  }

  read(at, words = "") {
    const cell = at == null ? null : this.cells[at]
    if (cell) {
      this.readout.replaceChildren(make("b", {}, cell.said), ...[cell.fault && this.sentence(cell.fault), cell.note && this.sentence(cell.note), this.bar_words(at),
        {added: "Not in the baseline.", changed: "Other than in the baseline."}[cell.mark]].filter(Boolean).map((one) => ` ${one}`))
    } else {
      this.readout.textContent = words || TIPS[this.mode]
    }
    this.readout.classList.toggle("is-tip", !cell && !words)
  }

  complain() {
    const {words} = this.model.complaint
    this.wrong.textContent = words ? this.sentence(words) : ""
    this.wrong.hidden = !words
    this.text.setAttribute("aria-invalid", String(this.model.complaint.place === "text"))
    if (words && this.model.complaint.place === "layer") this.fill_panel()
  }

  // Wishes

  wish(message) {
    this.step_count = Math.max(this.step_count, this.model.answered) + 1
    this.since = Date.now()
    this.model.send_msg({...message, step: this.step_count})
  }

  get waits() { return this.model.answered < this.step_count && Date.now() - this.since < PATIENCE }

  // What is done quickly is done in turn: each step speaks of the layers that the last one left.
  then(act) {
    this.next.push(act)
    this.go_on()
  }

  go_on() {
    while (this.next.length && !this.waits) this.next.shift()()
  }

  chosen_text() { return this.chosen.map((at) => this.cells[at].text).join(" ") }

  copy() {
    clipboard = this.chosen_text()
    this.caret = Math.max(...this.chosen) + 1
    // Where pages may write there, it can be pasted elsewhere too.
    navigator.clipboard?.writeText(clipboard).catch(() => null)
    this.marked()
    this.said.textContent = `Copied ${clipboard}`
  }

  cut() {
    this.copy()
    this.remove()
  }

  remove(indices = this.chosen) {
    if (!indices.length) return
    this.current = Math.min(...indices)
    this.caret = this.current
    this.wish({remove: indices})
  }

  shift(by) {
    const {chosen} = this
    if (!chosen.length) return
    const to = by < 0 ? chosen[0] - 1 : chosen.at(-1) + 2
    if (to >= 0 && to <= this.count) this.wish({move: [chosen, to]})
  }

  insert(kind, at) { this.then(() => this.wish({insert: [at ?? this.caret, kind]})) }

  run(indices, at) { if (indices.length) this.then(() => this.wish({run: [indices, at ?? this.caret]})) }

  // Focus: kept where it was, through every redrawing

  focused() { return this.root.getRootNode().activeElement }

  place_of_focus() {
    const focused = this.focused()
    if (!focused || !this.strip.contains(focused)) return null
    return focused.dataset.edit ?? "block"
  }

  focus_again(place) {
    if (place === null) return
    this.focus_on(this.current, place === "block" ? undefined : place)
  }

  focus_on(at, edit) {
    const cell = this.strip.querySelector(`[data-layer="${at}"]`)
    const found = edit && cell?.querySelector(`[data-edit="${edit}"]:enabled`) || cell?.querySelector(".block")
    this.current = at
    this.mark()
    found?.focus()
  }

  keep_focus(part, fill) {
    const focused = this.focused()
    const key = focused && part.contains(focused) ? focused.dataset.key : null
    fill()
    if (key == null) return
    const again = [...part.querySelectorAll("[data-key]")].find((one) => one.dataset.key === key)
    if (again && !again.disabled) again.focus()
    else (part.querySelector("button:enabled, input") ?? this.strip.querySelector('.block[tabindex="0"]'))?.focus()
  }

  // What a person does by mouse and touch

  listen() {
    const {root, model} = this
    root.addEventListener("pointerdown", (event) => this.down(event))
    root.addEventListener("pointermove", (event) => this.moved(event))
    root.addEventListener("pointerup", (event) => this.up(event))
    root.addEventListener("pointercancel", () => this.stop())
    root.addEventListener("click", (event) => this.clicked(event))
    root.addEventListener("contextmenu", (event) => this.press && event.preventDefault())
    root.addEventListener("keydown", (event) => this.key(event))
    root.addEventListener("focusin", (event) => {
      const cell = event.target.closest?.("[data-layer]")
      if (!cell || this.press) return
      this.current = Number(cell.dataset.layer)
      this.read(this.current)
    })
    root.addEventListener("focusout", () => this.press || this.read(null))
    this.strip.addEventListener("pointerleave", () => this.press || this.read(null))
    for (const name of ["copy", "cut", "paste"]) root.addEventListener(name, (event) => this.clip(name, event))
    this.text.addEventListener("change", () => this.wish({text: this.text.value}))
    this.text.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.text.value = model.summary.text
    })
    this.picker.addEventListener("change", () => model.send_msg({donor: Number(this.picker.value) || null}))
    this.take.addEventListener("click", () => this.run(this.lent))
    this.take_all.addEventListener("click", () => this.run(span(0, this.lender.children.length - 1)))

    let due = false
    const later = () => {
      if (due) return
      due = true
      // Several parameters that change together are one redrawing.
      queueMicrotask(() => {
        due = false
        if (this.held) this.stale = true
        else this.fill()
      })
    }
    // What is under a pressed button or finger stays there until it is let go.
    root.addEventListener("pointerdown", () => {
      this.held = true
      const let_go = () => setTimeout(() => {
        this.held = false
        if (this.stale) this.fill()
      })
      for (const name of ["pointerup", "pointercancel"]) window.addEventListener(name, let_go, {once: true})
    })
    model.on(["cells", "mode", "label", "bars", "summary", "steps", "answered", "donors", "kinds"], later)
    model.on(["chosen", "allowed"], () => this.press || this.marked())
    model.on("donor", () => this.fill_lender())
    model.on("complaint", () => this.complain())
    model.on("told", () => { this.said.textContent = model.told })
    this.complain()
    this.fill_lender()
    this.dress()
  }

  down(event) {
    if (event.button !== 0 || !event.isPrimary) return
    const target = event.target.closest?.(".block, .kind")
    if (!target || target.closest(".panel, .tools")) return
    const {clientX: x, clientY: y, pointerId: id} = event
    const lent = target.closest("[data-lent]")
    const cell = target.closest("[data-layer]")
    const from = target.matches(".kind") ? "palette" : lent ? "lender" : "strip"
    const at = Number((lent ?? cell)?.dataset[lent ? "lent" : "layer"] ?? -1)
    if (from === "strip" && this.mode === "craft" && at === this.count) {
      this.press = {id, x, y, from, at, does: "nothing"}
      return
    }
    const some = from === "lender" ? this.lent : this.chosen
    const brushes = from === "strip" ? this.mode !== "craft" : from === "lender" && !some.includes(at)
    this.press = {id, x, y, from, at, kind: target.dataset.kind, does: brushes ? "brush" : "drag",
      base: some, paint: !some.includes(at), moving: false}
  }

  moved(event) {
    const {press} = this
    if (!press) {
      const cell = event.target.closest?.("[data-layer]")
      if (event.pointerType !== "touch" && cell) this.read(Number(cell.dataset.layer))
      return
    }
    if (event.pointerId !== press.id || press.does === "nothing") return
    if (!press.moving) {
      if (Math.hypot(event.clientX - press.x, event.clientY - press.y) <= DRAGGED) return
      press.moving = true
      this.root.setPointerCapture(press.id)
      if (press.does === "drag") this.lift()
    }
    event.preventDefault()
    if (press.does === "brush") this.brush(event)
    else this.drag(event)
  }

  up(event) {
    const {press} = this
    if (!press || event.pointerId !== press.id) return
    this.press = null
    if (press.does === "nothing" || !press.moving) {
      if (press.from === "strip") this.click(press.at, event)
      else if (press.from === "lender") this.click_lent(press.at, event)
      else this.insert(press.kind)
      return
    }
    if (press.does === "brush") {
      if (press.from === "strip") this.choose(this.chosen)
    } else {
      this.drop(press)
    }
    this.rest()
  }

  stop() {
    const {press} = this
    this.press = null
    this.painted = null
    if (press?.from === "lender") this.lent = press.base
    this.rest()
    this.mark_lent()
    this.marked()
  }

  rest() {
    this.ghost.hidden = true
    this.body.classList.remove("is-dragging", "is-out")
    for (const one of this.root.querySelectorAll(".is-lifted, .is-target")) one.classList.remove("is-lifted", "is-target")
    this.read(null)
  }

  // Clicks that no pointer made, as those of screen readers, and those on gaps and toggles.
  clicked(event) {
    const gap = event.target.closest(".gap")
    const toggle = event.target.closest(".toggle")
    if (gap) {
      this.caret = Number(gap.dataset.at)
      this.mark()
    } else if (toggle) {
      const at = Number(toggle.closest("[data-layer]").dataset.layer)
      const places = this.chosen.includes(at) ? this.chosen : [at]
      this.current = at
      this.allow(places, toggle.dataset.edit, toggle.getAttribute("aria-pressed") !== "true")
    } else if (event.detail === 0) {
      const block = event.target.closest(".block")
      const kind = event.target.closest(".kind")
      if (kind) this.insert(kind.dataset.kind)
      else if (block?.closest("[data-lent]")) this.click_lent(Number(block.closest("[data-lent]").dataset.lent), event)
      else if (block) this.click(Number(block.closest("[data-layer]").dataset.layer), event)
    }
  }

  click(at, {shiftKey, ctrlKey, metaKey}) {
    const several = ctrlKey || metaKey
    this.current = at
    if (at > this.last) {
      this.caret = this.count
      if (this.mode === "craft") this.choose([])
      this.marked()
      return
    }
    const toggled = this.chosen.includes(at) ? this.chosen.filter((one) => one !== at) : [...this.chosen, at]
    this.caret = at + 1
    if (shiftKey) {
      const range = span(this.anchor, at)
      this.choose(this.mode === "craft" ? range : [...this.chosen, ...range])
      return
    }
    this.anchor = at
    this.choose(this.mode !== "craft" || several ? toggled : [at])
  }

  click_lent(at, {shiftKey}) {
    const range = span(this.lent_anchor ?? at, at)
    this.lent = sorted(shiftKey ? [...this.lent, ...range]
      : this.lent.includes(at) ? this.lent.filter((one) => one !== at) : [...this.lent, at])
    this.lent_anchor = at
    this.mark_lent()
  }

  near(event, strip) {
    let best = null
    for (const cell of strip.children) {
      const at = Number(cell.dataset.layer ?? cell.dataset.lent)
      if (strip === this.strip && at > this.last) continue
      const box = cell.getBoundingClientRect()
      const dx = Math.max(box.left - event.clientX, 0, event.clientX - box.right)
      const dy = Math.max(box.top - event.clientY, 0, event.clientY - box.bottom)
      if (!best || dx + 4 * dy < best.far) best = {at, far: dx + 4 * dy}
    }
    return best?.at ?? null
  }

  brush(event) {
    const {press} = this
    const strip = press.from === "lender" ? this.lender : this.strip
    const at = this.near(event, strip)
    if (at === null) return
    const range = span(press.at, at)
    const painted = sorted(press.paint ? [...press.base, ...range] : press.base.filter((one) => !range.includes(one)))
    if (press.from === "lender") {
      this.lent = painted
      this.mark_lent()
      return
    }
    this.current = at
    this.anchor = at
    if (!this.painted || !same(painted, this.painted)) {
      this.painted = painted
      this.mark()
      this.fill_tools()
    }
    this.read(at)
  }

  lift() {
    const {press} = this
    let pieces
    if (press.from === "palette") {
      pieces = [this.palette.querySelector(`[data-kind="${press.kind}"]`)]
    } else if (press.from === "lender") {
      pieces = this.lent.map((at) => this.lender.querySelector(`[data-lent="${at}"]`))
    } else {
      if (!this.chosen.includes(press.at)) this.choose([press.at])
      press.base = this.chosen
      this.current = press.at
      pieces = press.base.map((at) => this.strip.querySelector(`[data-layer="${at}"]`))
      for (const one of pieces) one.classList.add("is-lifted")
    }
    this.ghost.replaceChildren(
      make("span", {class: "carried"}, ...pieces.slice(0, GHOSTS).map((one) => one.querySelector(".picture").cloneNode(true))),
      make("span", {class: "where"}))
    this.ghost.hidden = false
    this.ghost.style.left = this.ghost.style.top = "0"
    // An ancestor with a transform moves what is fixed.
    const {left, top} = this.ghost.getBoundingClientRect()
    press.off = {left, top}
    this.body.classList.add("is-dragging")
  }

  drag(event) {
    const {press} = this
    const target = this.target(event)
    press.target = target
    this.ghost.style.left = `${event.clientX - press.off.left + 10}px`
    this.ghost.style.top = `${event.clientY - press.off.top - this.ghost.offsetHeight / 2}px`
    for (const gap of this.strip.querySelectorAll(".gap")) {
      gap.classList.toggle("is-target", target !== null && Number(gap.dataset.at) === target)
    }
    const out = target === null
    this.body.classList.toggle("is-out", out && press.from === "strip")
    const words = out ? (press.from === "strip" ? "remove" : "")
      : target === this.count ? "at the end" : `before ${this.cells[target].words}`
    this.ghost.lastChild.textContent = words
    this.ghost.lastChild.hidden = !words
    this.read(null, words ? this.sentence(words === "remove" ? "Let go here to remove" : `Let go to put it ${words}`) : "Let go here to leave all as it is.")
  }

  // The place before which something would be put; null away from the layers.
  target(event) {
    const box = this.strip.getBoundingClientRect()
    const {clientX: x, clientY: y} = event
    if (x < box.left - OUT || x > box.right + OUT || y < box.top - OUT / 2 || y > box.bottom + OUT) return null
    let best = null
    for (const gap of this.strip.querySelectorAll(".gap")) {
      const row = gap.getBoundingClientRect()
      const dx = Math.abs(row.left + row.width / 2 - x)
      const dy = Math.max(row.top - y, 0, y - row.bottom)
      if (!best || dx + 4 * dy < best.far) best = {at: Number(gap.dataset.at), far: dx + 4 * dy}
    }
    return best?.at ?? null
  }

  drop(press) {
    const {target, from} = press
    if (target === undefined) return
    if (from === "strip") {
      if (target === null) this.remove(press.base)
      else this.wish({move: [press.base, target]})
    } else if (target !== null) {
      if (from === "palette") this.insert(press.kind, target)
      else this.run(this.lent, target)
    }
  }

  // What a person does by keyboard

  key(event) {
    const {key, target} = event
    if (key === "Escape" && this.press) {
      this.stop()
      event.preventDefault()
      return
    }
    // A field that holds what it held has nothing of its own to take back.
    const typing = target.matches("select") || (target.matches("input") && target.value !== target.defaultValue)
    const control = event.ctrlKey || event.metaKey
    if (control && !typing && this.mode === "craft") {
      const does = key.toLowerCase() === "z" ? (event.shiftKey ? "redo" : "undo") : key.toLowerCase() === "y" ? "redo" : null
      if (does) {
        event.preventDefault()
        this.then(() => this.wish({do: does}))
        return
      }
    }
    if (target.closest(".palette")) this.key_in_palette(event)
    else if (target.closest(".is-lent")) this.key_in_row(event)
    else if (target.matches(".toggle")) this.key_on_toggle(event)
    else if (target.closest(".strip")) this.key_on_layer(event)
    else if (target.closest(".panel") && key === "Escape") {
      event.preventDefault()
      this.focus_on(this.current)
    }
  }

  rove(items, event) {
    const at = items.indexOf(event.target)
    const to = {ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: items.length - 1}[event.key]
    if (to === undefined || at < 0) return false
    event.preventDefault()
    const next = items[Math.min(Math.max(to, 0), items.length - 1)]
    for (const item of items) item.tabIndex = item === next ? 0 : -1
    next.focus()
    return true
  }

  key_in_palette(event) {
    if (this.rove([...this.palette.children], event)) return
    if (event.key === "Escape") {
      event.preventDefault()
      this.focus_on(this.current)
    }
  }

  key_in_row(event) { this.rove([...this.lender.querySelectorAll(".block")], event) }

  key_on_toggle(event) {
    const cell = event.target.closest("[data-layer]")
    const at = Number(cell.dataset.layer)
    const toggles = [...cell.querySelectorAll(".toggle:enabled")]
    const row = toggles.indexOf(event.target)
    const {key} = event
    if (key === "ArrowUp" || key === "ArrowDown" || key === "Escape") {
      event.preventDefault()
      const next = key === "Escape" ? undefined : toggles[row + (key === "ArrowDown" ? 1 : -1)]
      if (next) next.focus()
      else if (key !== "ArrowDown") this.focus_on(at)
    } else if (key === "ArrowLeft" || key === "ArrowRight") {
      event.preventDefault()
      const to = at + (key === "ArrowRight" ? 1 : -1)
      if (to >= 0 && to <= this.count) this.focus_on(to, event.target.dataset.edit)
    }
  }

  key_on_layer(event) {
    const {key} = event
    const control = event.ctrlKey || event.metaKey
    const crafting = this.mode === "craft"
    const at = Number(event.target.closest("[data-layer]").dataset.layer)
    this.current = at
    const to = {ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: this.count}[key]
    let done = true
    if (to !== undefined && event.altKey) {
      if (crafting && key.startsWith("Arrow")) this.then(() => this.shift(key === "ArrowRight" ? 1 : -1))
    } else if (to !== undefined) {
      this.step(to, event.shiftKey)
    } else if (control && key.toLowerCase() === "a") {
      this.choose(span(0, this.last))
    } else if (control) {
      done = false
    } else if (key === "Escape") {
      this.choose([])
    } else if (key === "Enter" && crafting && at < this.count) {
      this.click(at, {})
      this.panel.querySelector("[aria-pressed=true], button, input")?.focus()
    } else if (key === " " || key === "Enter") {
      this.click(at, {ctrlKey: crafting, shiftKey: event.shiftKey})
    } else if (key === "ArrowDown" && this.mode === "vary") {
      this.strip.querySelector(`[data-layer="${at}"] .toggle:enabled`)?.focus()
    } else if (crafting && (key === "Delete" || key === "Backspace")) {
      this.then(() => this.remove(this.chosen.includes(this.current) ? this.chosen : this.current < this.count ? [this.current] : []))
    } else if (crafting && (key === "Insert" || key === "+")) {
      this.palette.querySelector('[tabindex="0"]')?.focus()
    } else {
      done = false
    }
    if (done) event.preventDefault()
  }

  step(to, extending) {
    if (to < 0) {
      // Before the first layer there is a place too.
      this.caret = 0
      this.mark()
      return
    }
    const at = Math.min(to, this.count)
    if (extending && at <= this.last) {
      this.choose(span(this.anchor, at))
    } else if (!extending) {
      this.anchor = Math.min(at, Math.max(this.last, 0))
      if (this.mode === "craft") this.choose(at < this.count ? [at] : [])
    }
    this.caret = at < this.count ? at + 1 : this.count
    this.focus_on(at)
  }

  clip(name, event) {
    if (this.mode !== "craft" || event.composedPath()[0].matches?.("input, select")) return
    if (name === "paste") {
      const text = event.clipboardData.getData("text/plain") || clipboard
      event.preventDefault()
      if (text.trim()) this.then(() => this.wish({paste: [this.caret, text]}))
      return
    }
    if (!this.chosen.length) return
    this.copy()
    event.clipboardData.setData("text/plain", clipboard)
    event.preventDefault()
    if (name === "cut") this.then(() => this.remove())
  }

  // Colours, where no page around gives them, as in a notebook

  dress() {
    requestAnimationFrame(() => {
      if (getComputedStyle(this.body).getPropertyValue("--remap-text")) return
      this.body.style.cssText = this.model.esm_constants.modes[this.is_dark() ? "dark" : "light"]
    })
  }

  is_dark() {
    for (let one = this.body; one; one = one.parentElement ?? one.getRootNode().host) {
      const [red, green, blue, alpha = 1] = getComputedStyle(one).backgroundColor.match(/[\d.]+/g).map(Number)
      if (alpha > 0.5) return 0.2126 * red + 0.7152 * green + 0.0722 * blue < 128
    }
    return false
  }
}

const ORDER = ["prepend", "remove", "replace", "reparameterize"]

export function render({model}) {
  return new Editor(model).root
}
