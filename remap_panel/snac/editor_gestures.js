// What a person wishes of the editor, and how they say it by mouse and finger. See editor.py.

const {Face, make, same, sorted, span} = await import("./editor_face.js" + new URL(import.meta.url).search)

const DRAGGED = 5 // px after which a press is no click
const OUT = 48 // px around the layers that still belong to them
const GHOSTS = 8 // blocks drawn under the mouse at most
const PATIENCE = 10_000 // ms after which a step is no longer waited for, as when the connection broke

// A copied run of layers, for all editors of the page where the browser gives no clipboard.
const board = {text: ""}

export class Gestures extends Face {
  // Wishes

  wish(message) {
    this.step_count = Math.max(this.step_count, this.model.answered) + 1
    this.since = Date.now()
    this.model.send_msg({...message, step: this.step_count})
  }

  get waits() { return this.model.answered < this.step_count && Date.now() - this.since < PATIENCE }

  // What is done quickly is done in turn: each step speaks of the layers that the last one left.
  in_turn(act) {
    this.next.push(act)
    this.go_on()
  }

  go_on() {
    while (this.next.length && !this.waits) this.next.shift()()
  }

  chosen_text() { return this.chosen.map((at) => this.cells[at].text).join(" ") }

  copy() {
    board.text = this.chosen_text()
    this.caret = Math.max(...this.chosen) + 1
    // Where pages may write there, it can be pasted elsewhere too.
    navigator.clipboard?.writeText(board.text).catch(() => null)
    this.marked()
    this.said.textContent = `Copied ${board.text}`
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

  insert(kind, at) { this.in_turn(() => this.wish({insert: [at ?? this.caret, kind]})) }

  run(indices, at) { if (indices.length) this.in_turn(() => this.wish({run: [indices, at ?? this.caret]})) }

  get copied() { return board.text }

  // What a person does by mouse and touch

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
      press.keeps = press.does === "drag" || Math.abs(event.clientX - press.x) > Math.abs(event.clientY - press.y)
      this.root.setPointerCapture(press.id)
      if (press.does === "drag") this.lift()
    }
    event.preventDefault()
    if (press.does === "brush") this.brush(event)
    else this.drag(event)
  }

  // Chromium takes a quick drag by finger for a fling, though nothing may scroll, and then loses the
  // next tap, which would stop that fling: what is dragged here is no scrolling at all.
  touched(event) { if (this.press?.keeps && event.cancelable) event.preventDefault() }

  up(event) {
    const {press} = this
    if (!press || event.pointerId !== press.id) return
    this.press = null
    if (press.does === "nothing" || !press.moving) {
      const {shiftKey, ctrlKey, metaKey} = event
      if (press.from === "strip") this.in_turn(() => this.click(press.at, {shiftKey, ctrlKey, metaKey}))
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
    this.read(null, words ? this.sentence(words === "remove" ? "Let go here to remove" : `Let go to put this ${words}`) : "Let go here to leave all as it is.")
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
}
