// What the editor shows: layers, tools, parameters, words, and where the focus is. See editor.py.

const EDITS = {
  prepend: ["put a new layer before", "M10.5 3.5h3v9h-3zM2 8h5.5M4.75 5.25v5.5"],
  remove: ["remove", "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 0 0 0-11zM4.2 11.8l7.6-7.6"],
  replace: ["replace by another layer", "M3 5.5h9.5m-2.5-2.5l2.5 2.5l-2.5 2.5M13 10.5h-9.5m2.5-2.5l-2.5 2.5l2.5 2.5"],
  reparameterize: ["change a parameter", "M3 13l.8-3.2 7-7a1.4 1.4 0 0 1 2.4 2.4l-7 7zM9.4 4.2l2.4 2.4"],
}

const ORDER = ["prepend", "remove", "replace", "reparameterize"]

const TIPS = {
  choose: "Click layers or drag across them. With none chosen, all are meant.",
  vary: "Switch what may happen at each layer. Drag across layers to switch several at once.",
  craft: "Drag a kind from above between two layers; drag layers to move them, or out to remove them.",
}

export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value != null) made.setAttribute(name, value === true ? "" : value)
  }
  made.append(...children)
  return made
}

export function picture(svg) {
  const made = make("span", {class: "picture"})
  made.innerHTML = svg // of our own making
  return made
}

export function icon(path) {
  const made = make("span", {class: "icon", "aria-hidden": "true"})
  made.innerHTML = `<svg viewBox="0 0 16 16" width="16" height="16"><path d="${path}"/></svg>`
  return made
}

export function button(words, attributes = {}, ...children) {
  return make("button", {type: "button", ...attributes}, ...(children.length ? children : [words]))
}

export const span = (a, b) => Array.from({length: Math.abs(b - a) + 1}, (_, k) => Math.min(a, b) + k)
export const sorted = (some) => [...new Set(some)].sort((a, b) => a - b)
export const same = (a, b) => a.length === b.length && a.every((one, at) => one === b[at])

export class Face {
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
  }

  get mode() { return this.model.mode }
  get cells() { return this.model.cells }
  // What parts are called: a space of models may have others than layers.
  say(words) {
    const {part, parts} = this.model
    return parts === "layers" ? words : words.replaceAll("layers", parts).replaceAll("layer", part)
  }

  get count() { return Math.max(0, this.cells.length - 1) } // without the output layer
  get chosen() { return this.painted ?? this.model.chosen }
  get last() { return this.mode === "vary" ? this.count : this.count - 1 } // that can be chosen

  parts() {
    this.tools = make("div", {class: "tools", role: "toolbar", "aria-label": "Editing"})
    this.palette = make("div", {class: "palette", role: "toolbar", "aria-label": this.say("Kinds of layers: put one in at the mark")})
    this.strip = make("div", {class: "strip", role: "group"})
    this.legend = make("p", {class: "legend"},
      this.say("Bars: accuracy without the layer, against the baseline. Dashed, in brackets: no clear effect."))
    this.readout = make("p", {class: "readout", id: `${this.id}-readout`})
    this.panel = make("div", {class: "panel", role: "group", "aria-label": "Parameters"})
    this.text = make("input", {type: "text", spellcheck: "false", autocomplete: "off", autocapitalize: "off", id: `${this.id}-text`, "aria-describedby": `${this.id}-wrong`, placeholder: "conv16x3 relu max2 dense64"})
    this.wrong = make("p", {class: "wrong", role: "alert", id: `${this.id}-wrong`})
    this.line = make("div", {class: "line"}, make("label", {for: this.text.id}, "As text"), this.text)
    this.summary = make("div", {class: "summary"})
    this.picker = make("select", {"aria-label": this.say("Model to take layers from")})
    this.take = button("Put in at the mark", {disabled: true})
    this.take_all = button("All of them", {disabled: true})
    this.lender = make("div", {class: "strip is-lent", role: "group", "aria-label": this.say("The other model's layers")})
    this.donor = make("details", {class: "donor", "aria-label": this.say("Take layers from another model")},
      make("summary", {}, this.say("Take layers from another model")),
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
    this.tools.hidden = this.readout.hidden = !this.cells.length
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
    // Names are needed to choose as well; the sizes of layers only where they change.
    if (this.mode === "craft" || (this.mode === "choose" && this.model.parts !== "layers")) {
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
      const [named, path] = EDITS[name]
      const words = this.say(named)
      const can = cell.can.includes(name)
      const where = at === this.count ? this.say("the output layer") : `${cell.words} at ${at}`
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
      tools.push(make("span", {class: "lead"}, this.say(chosen ? `At the ${chosen === 1 ? "chosen layer" : `${chosen} chosen layers`}:` : "At all layers:")))
      for (const name of ORDER) {
        const [named, path] = EDITS[name]
        const words = this.say(named)
        const made = button("", {class: "bulk", "data-key": name, "aria-pressed": String(this.all_allow(name)), title: words,
          disabled: !this.targets().some((at) => this.can(at, name))},
          icon(path), name)
        made.addEventListener("click", () => this.allow(this.targets(), name, !this.all_allow(name)))
        tools.push(made)
      }
    } else if (mode === "choose") {
      tools.push(
        make("span", {class: "lead"}, this.chosen.length ? this.say(`${this.chosen.length} of ${this.count} layers chosen`)
          : this.count ? this.model.parts === "layers" ? `All ${this.count} layers` : "All that can be removed" : this.say("No layer but the output.")),
        tool("Choose all", "Ctrl+A", () => this.choose(span(0, this.count - 1)), !this.count),
        tool("Choose none", "Escape", () => this.choose([]), !this.chosen.length),
      )
    } else {
      const none = !this.chosen.length
      tools.push(
        tool("Undo", "Ctrl+Z", () => this.in_turn(() => this.wish({do: "undo"})), !model.steps[0]),
        tool("Redo", "Ctrl+Y", () => this.in_turn(() => this.wish({do: "redo"})), !model.steps[1]),
        make("span", {class: "rule"}),
        tool("Copy", "Ctrl+C", () => this.copy(), none),
        tool("Cut", "Ctrl+X", () => this.in_turn(() => this.cut()), none),
        tool("Paste", "Ctrl+V", () => this.in_turn(() => this.wish({paste: [this.caret, this.copied]})), !this.copied),
        tool("Remove", "Delete", () => this.in_turn(() => this.remove()), none),
        make("span", {class: "rule"}),
        tool("Earlier", "Alt+←", () => this.in_turn(() => this.shift(-1)), none || this.chosen[0] === 0),
        tool("Later", "Alt+→", () => this.in_turn(() => this.shift(1)), none || this.chosen.at(-1) === this.count - 1),
        make("span", {class: "rule"}),
        tool("Start from nothing", "", () => this.in_turn(() => this.wish({do: "nothing"})), !this.count),
      )
      const base = model.summary.baseline
      if (base) tools.push(tool(`Back to ${base}`, "", () => this.in_turn(() => this.wish({do: "restore"})), !model.summary.words))
    }
    this.keep_focus(this.tools, () => this.tools.replaceChildren(...tools))
  }

  fill_palette() {
    const now = JSON.stringify(this.model.kinds.map(({kind}) => kind))
    if (this.palette.dataset.kinds === now) return
    this.palette.dataset.kinds = now
    const pieces = this.model.kinds.filter(({palette}) => palette !== false)
    this.palette.replaceChildren(...pieces.map(({kind, name, svg, words, about}, at) =>
      button("", {class: "kind", "data-kind": kind, "data-key": kind, tabindex: at ? -1 : 0, title: `${words}: ${about}`,
        "aria-label": `Put in ${words}`}, picture(svg), make("span", {}, name))))
  }

  fill_summary() {
    const {problem, facts, price, words} = this.model.summary
    const fault = this.cells.some(({fault}) => fault)
    const parts = facts.map(([name, value, apart]) => make("span", {class: "fact"}, make("b", {}, value), ` ${name}`,
      ...(apart ? [make("span", {class: "apart"}, ` (${apart})`)] : [])))
    if (price && facts.length) parts.push(make("span", {class: "fact"}, price))
    this.summary.replaceChildren(
      make("p", {class: `state ${problem ? (fault ? "is-wrong" : "is-idle") : "is-right"}`},
        make("span", {class: "sign", "aria-hidden": "true"}, problem ? (fault ? "!" : "○") : "✓"),
        make("span", {}, problem ? this.sentence(problem) : "This can be trained.")),
      make("p", {class: "facts"}, ...parts),
      make("p", {class: "words"}, words ? `Changes: ${words}` : ""),
    )
    // What is being typed stays, until it is wished or the draft is another.
    if (this.text.defaultValue !== this.model.summary.text) {
      this.text.value = this.text.defaultValue = this.model.summary.text
    }
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

  fill_panel(anew = false) {
    if (this.mode !== "craft") return
    const chosen = this.chosen.filter((at) => at < this.count)
    const shown = JSON.stringify([this.count, chosen, chosen.map((at) => [this.cells[at].kind, this.cells[at].values, this.cells[at].fault])])
    // What is being typed stays where nothing else changed.
    if (shown === this.shown && !anew) return
    this.shown = shown
    const kinds = new Set(chosen.map((at) => this.cells[at].kind))
    const children = []
    if (!chosen.length) {
      children.push(make("p", {class: "hint"}, this.count ? this.say("Click a layer to change its parameters.") : this.say("No layer yet: put one in from above.")))
    } else if (kinds.size > 1) {
      children.push(make("p", {class: "hint"}, this.say(`${chosen.length} layers of several kinds: they can be moved, copied and removed together.`)))
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
      input.addEventListener("change", () => input.value.trim() === "" ? this.fill_panel(true) : set(Number(input.value)))
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
    // In the server's order: it has nothing to correct then. A correction would arrive after the next
    // switch, and take it back here alone.
    this.model.allowed = this.model.allowed.map((names, at) => {
      if (!places.includes(at) || !this.can(at, name)) return names
      return this.cells[at].can.filter((one) => one === name ? is : names.includes(one))
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
      this.readout.textContent = words || this.say(TIPS[this.mode])
    }
    this.readout.classList.toggle("is-tip", !cell && !words)
  }

  complain() {
    const {words} = this.model.complaint
    this.wrong.textContent = words ? this.sentence(words) : ""
    this.wrong.hidden = !words
    this.text.setAttribute("aria-invalid", String(this.model.complaint.place === "text"))
    if (words && this.model.complaint.place === "layer") this.fill_panel(true)
  }

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

  // Colours, where no page around gives them, as in a notebook

  dress() {
    requestAnimationFrame(() => {
      // What Panel has taken out of the page again in the meantime has no style at all.
      if (!this.body.isConnected) return
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
