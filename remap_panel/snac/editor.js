// The SNAC as a control, see editor.py. The server says what stands where and draws each block;
// these scripts mark, brush and drag blocks, and tell what the person wishes.
//
// Each is asked for under this one's version: a browser must not mix those of two releases.
const {Gestures} = await import("../_resources/modules/editor_gestures.js" + new URL(import.meta.url).search)
const {span} = await import("../_resources/modules/editor_face.js" + new URL(import.meta.url).search)

const STEERING = new Set(["ArrowLeft", "ArrowRight", "Home", "End", "Enter", " ", "Delete", "Backspace", "Insert", "+", "Escape"])

class Editor extends Gestures {
  constructor(model) {
    super(model)
    this.listen()
    this.fill()
    this.caret = this.count
    this.mark()
  }

  listen() {
    const {root, model} = this
    root.addEventListener("pointerdown", (event) => this.down(event))
    root.addEventListener("pointermove", (event) => this.moved(event))
    root.addEventListener("touchmove", (event) => this.touched(event), {passive: false})
    root.addEventListener("pointerup", (event) => this.up(event))
    root.addEventListener("pointercancel", () => this.stop())
    root.addEventListener("click", (event) => this.clicked(event))
    root.addEventListener("contextmenu", (event) => this.press && event.preventDefault())
    root.addEventListener("keydown", (event) => this.key(event))
    root.addEventListener("keyup", (event) => {
      // Some browsers click at the end of a space whatever became of its beginning.
      if (event.key === " " && event.target.matches(".block")) event.preventDefault()
    })
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
      const over = new AbortController()
      const let_go = () => {
        over.abort()
        // After the click, which comes after the pointer is let go.
        setTimeout(() => {
          this.held = false
          if (this.stale) this.fill()
        })
      }
      for (const name of ["pointerup", "pointercancel"]) window.addEventListener(name, let_go, {signal: over.signal})
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
    const crafting = this.mode === "craft"
    if (control && !typing && crafting) {
      const does = key.toLowerCase() === "z" ? (event.shiftKey ? "redo" : "undo") : key.toLowerCase() === "y" ? "redo" : null
      if (does) {
        event.preventDefault()
        this.in_turn(() => this.wish({do: does}))
        return
      }
    }
    if (target.closest(".palette")) this.key_in_palette(event)
    else if (target.closest(".is-lent")) this.key_in_row(event)
    else if (target.matches(".toggle")) this.key_on_toggle(event)
    else if (target.closest(".strip") && crafting && this.waits && !control && STEERING.has(key)) this.key_later(event)
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

  // A key pressed before the last step is answered speaks of the layers that it leaves.
  key_later(event) {
    const {key, shiftKey, altKey} = event
    event.preventDefault()
    this.in_turn(() => {
      const target = this.strip.querySelector(`[data-layer="${this.current}"] .block`)
      if (target) this.key_on_layer({key, shiftKey, altKey, target, preventDefault: () => null})
    })
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
      if (crafting && key.startsWith("Arrow")) this.in_turn(() => this.shift(key === "ArrowRight" ? 1 : -1))
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
      this.in_turn(() => this.remove(this.chosen.includes(this.current) ? this.chosen : this.current < this.count ? [this.current] : []))
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
      const text = event.clipboardData.getData("text/plain") || this.copied
      event.preventDefault()
      if (text.trim()) this.in_turn(() => this.wish({paste: [this.caret, text]}))
      return
    }
    if (!this.chosen.length) return
    this.copy()
    event.clipboardData.setData("text/plain", this.copied)
    event.preventDefault()
    if (name === "cut") this.in_turn(() => this.remove())
  }
}

export function render({model}) {
  return new Editor(model).root
}
