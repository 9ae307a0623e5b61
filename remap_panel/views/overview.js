// The overview in the browser: where every circle stands, and which one the mouse is on.
//
// The server owns the source "models" and only appends rows to it or patches cells. From it this
// script derives the sources "circles" and "lit", which the figure draws and which nobody syncs.
// Rows are never renumbered, so row i is the same model in both; models are spoken of by number.

const MOVE_MS = 300
const ANIMATED = 1000 // circles above which a change of projection jumps
const REACH = 3 // px around a circle that count as the circle
const DRAGGED = 4 // px after which a press is no click
const TELL_MS = 40 // between two messages about the mouse
const ZOOM = 1.5 // factor of one press of a zoom button

// What ends the drawing of a view: Panel may render one again without saying so to the old one.
const ends = new WeakMap()

export function render({model, view}) {
  ends.get(view)?.()
  const {modes, projections, axes, examples, hover_radius, edge} = model.esm_constants
  const figure = model.figure
  const models = find("models")
  const circles = find("circles")
  const lit = find("lit")
  const darkness = find("darkness")
  const rows = new Map() // row by model number

  function find(name) {
    for (const one of figure.references()) {
      if (one.name === name && !one.type.endsWith("GlyphRenderer")) return one
    }
    throw new Error(`the overview's figure has no ${name}`)
  }

  // The elements around the figure

  const make = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag)
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value)
    made.append(...children)
    return made
  }

  const radios = {}
  const choices = Object.entries(projections).map(([name, words]) => {
    const radio = make("input", {type: "radio", name: `projection-${view.model.id}`, value: name})
    radio.addEventListener("change", () => { model.projection = name })
    radios[name] = radio
    return make("label", {"data-projection": name}, radio, make("span", {}, words))
  })
  const title = make("h2", {}, model.title)
  const choice = make("fieldset", {}, make("legend", {class: "unseen"}, "Projection"), ...choices)
  const plot = make("div", {class: "plot", role: "img"}, model.get_child("figure"))
  const note = make("p", {class: "note"})
  const summary = make("p", {class: "unseen", id: `summary-${view.model.id}`})
  const legend = make("div", {class: "legend"})
  const button = (sign, words, press) => {
    const made = make("button", {type: "button", title: words, "aria-label": words}, sign)
    made.addEventListener("click", press)
    return made
  }
  const reset = button("⟲", "show all models", () => show_all())
  const tools = make(
    "div", {class: "tools"},
    button("+", "zoom in (Ctrl and mouse wheel on the figure)", () => zoom(1 / ZOOM)),
    button("−", "zoom out (Ctrl and mouse wheel on the figure)", () => zoom(ZOOM)),
    reset,
  )
  const tip = make("div", {class: "tip", role: "tooltip", popover: "manual"})
  const root = make(
    "section", {class: "overview", "aria-label": model.title},
    make("header", {}, title, choice), plot, make("footer", {}, legend, tools), summary, tip,
  )
  plot.append(note)
  plot.setAttribute("aria-describedby", summary.id)

  function fill_legend(mode) {
    const dots = examples.map(([words, radius]) => {
      const dot = make("i", {class: "dot"})
      dot.style.width = dot.style.height = `${2 * radius}px`
      return make("span", {}, dot, words)
    })
    const bar = make("i", {class: "bar"})
    bar.style.background = `linear-gradient(to right, ${mode.palette.join(",")})`
    legend.replaceChildren(
      make("span", {title: `${mode.better} is better; guessing reaches ${model.chance.toFixed(2)}`},
        "accuracy", bar, `${model.chance.toFixed(2)}–1`,
        make("i", {class: "dot hollow"}), "in training"),
      make("span", {}, "parameters", ...dots),
    )
  }

  // The figure's own colours follow the mode by themselves; the rest follows the figure.
  function dress() {
    const [name, mode] = Object.entries(modes)
      .find(([, {palette}]) => palette[0] === darkness.palette[0])
    root.dataset.mode = name
    root.style.cssText = mode.css
    fill_legend(mode)
  }

  // Where the circles stand

  const plot_view = () => view.get_child_view(figure)
  const reduced = window.matchMedia("(prefers-reduced-motion: reduce)")
  let framed = null // the frame that the ranges were last set to
  let motion = 0 // handle of the running animation, 0 where there is none
  let flushing = 0 // handle of the coming update, 0 where there is none
  let waiting = false // whether something changed while circles travelled

  // The frame applies as long as the ranges are as this script left them: who has zoomed keeps
  // what they see until they reset or switch.
  const follows = () => framed == null ||
    [figure.x_range.start, figure.x_range.end, figure.y_range.start, figure.y_range.end]
      .every((edge, index) => edge === framed[index])

  function zoom(factor) {
    for (const range of [figure.x_range, figure.y_range]) {
      const middle = (range.start + range.end) / 2, half = factor * (range.end - range.start) / 2
      range.setv({start: middle - half, end: middle + half})
    }
  }

  function show_all() {
    for (const range of [figure.x_range, figure.y_range]) {
      range.setv({start: range.reset_start, end: range.reset_end})
    }
  }

  // Where a finger scrolls the page, it drags the figure only once that is larger than its frame.
  const fingers = window.matchMedia("(pointer: coarse)")
  const drag = figure.toolbar.active_drag

  function ranged() {
    apply_ticks()
    reset.disabled = follows()
    if (fingers.matches) figure.toolbar.active_drag = follows() ? null : drag
  }

  function apply_frame(always) {
    const frame = model.frames[model.projection]
    const differs = framed == null || frame.some((edge, index) => edge !== framed[index])
    if (!differs && !always) return false
    const moves = always || follows()
    framed = [...frame]
    const [left, right, low, high] = framed
    figure.x_range.setv({reset_start: left, reset_end: right})
    figure.y_range.setv({reset_start: low, reset_end: high})
    if (moves) {
      figure.x_range.setv({start: left, end: right})
      figure.y_range.setv({start: low, end: high})
    }
    return moves
  }

  function apply_axes() {
    const map = model.projection !== "accuracy"
    for (const axis of [...figure.below, ...figure.left]) axis.visible = !map
    for (const grid of figure.center) grid.visible = !map
    square()
  }

  // A map's frame is square, so that equal spans are equal distances on the screen too.
  function square() {
    const map = model.projection !== "accuracy"
    const wide = Math.max(0, (figure.inner_width - figure.inner_height) / 2)
    const tall = Math.max(0, (figure.inner_height - figure.inner_width) / 2)
    const now = [figure.min_border_left ?? 0, figure.min_border_top ?? 0]
    const [side, end] = map ? [now[0] + wide, now[1] + tall] : [edge, edge]
    if (Math.abs(side - now[0]) < 1 && Math.abs(end - now[1]) < 1) return
    figure.setv({
      min_border_left: side, min_border_right: side, min_border_top: end, min_border_bottom: end,
    })
  }

  // One tick per decade, steps between once only a few decades are seen, and round numbers of
  // parameters once it is less than one.
  function apply_ticks() {
    const {start, end} = figure.y_range
    const ticks = []
    if (end - start < 1) {
      const least = 10 ** start, most = 10 ** end
      const rough = (most - least) / 4
      const decade = 10 ** Math.floor(Math.log10(rough))
      const step = [1, 2, 5, 10].find((factor) => factor * decade >= rough) * decade
      for (let place = Math.ceil(least / step); place * step <= most; place++) {
        if (place > 0) ticks.push(Math.log10(place * step))
      }
    } else {
      const steps = end - start > 2.5 ? [1] : [1, 3]
      const stride = Math.ceil((end - start) / 8)
      for (let power = Math.floor(start); power <= end; power += stride) {
        ticks.push(...steps.map((step) => power + Math.log10(step)))
      }
    }
    const ticker = figure.left[0].ticker
    if (`${ticks}` !== `${ticker.ticks}`) ticker.ticks = ticks
  }

  function apply_lit() {
    const x = circles.get("x"), y = circles.get("y"), size = circles.get("size")
    const found = {number: [], x: [], y: [], size: []}
    const hovered = over ?? model.hovered
    for (const number of new Set([model.inspected, hovered])) {
      const row = rows.get(number)
      if (row === undefined || row >= x.length || Number.isNaN(x[row])) continue
      found.number.push(number)
      found.x.push(x[row])
      found.y.push(y[row])
      found.size.push(number === hovered ? 2 * hover_radius : size[row] + 2)
    }
    lit.data = found
  }

  // What a circle is besides its place; copied, since the server appends while circles travel.
  const looks = () => ({
    number: models.get("number").slice(),
    size: Float32Array.from(models.get("radius"), (radius) => 2 * radius),
    accuracy: models.get("accuracy").slice(),
    fill_alpha: Float32Array.from(models.get("solid"), (one) => one ? 0.95 : 0),
    line_width: Float32Array.from(models.get("solid"), (one) => one ? 0.7 : 1.8),
  })

  function put(look, x, y) {
    circles.data = {...look, x, y}
    apply_lit()
  }

  function show(animated) {
    const look = looks()
    const {number} = look
    for (let row = rows.size; row < number.length; row++) rows.set(number[row], row)
    const [across, up] = axes[model.projection].map((name) => Float64Array.from(models.get(name)))
    root.dataset.circles = across.reduce((count, x) => count + !Number.isNaN(x), 0)
    const seen = plot_view()
    const moving = animated && seen != null && number.length <= ANIMATED && !reduced.matches
    const before = moving ? on_screen(seen) : null
    cancelAnimationFrame(motion)
    motion = 0
    const switched = root.dataset.projection !== model.projection
    root.dataset.projection = model.projection
    if (switched) apply_axes()
    apply_frame(switched)
    if (before == null) {
      delete root.dataset.moving
      put(look, across, up)
      settle()
      return
    }
    move(before, look, across, up)
  }

  // The animation runs on the screen, not in data: the ranges change at once, and every circle
  // goes from where it was seen to where it belongs. Circles that come or go do not travel.
  function move(before, look, across, up) {
    const started = performance.now()
    root.dataset.moving = ""
    const step = (now) => {
      const {x_scale, y_scale} = plot_view().frame
      const share = Math.min(Math.max((now - started) / MOVE_MS, 0), 1)
      const left = 1 - share
      const eased = 1 - left * left * left
      const x = across.slice(), y = up.slice()
      if (share < 1) {
        for (let row = 0; row < before.x.length; row++) {
          if (Number.isNaN(before.x[row])) continue
          x[row] += (x_scale.invert(before.x[row]) - x[row]) * (1 - eased)
          y[row] += (y_scale.invert(before.y[row]) - y[row]) * (1 - eased)
        }
        motion = requestAnimationFrame(step)
      } else {
        motion = 0
        delete root.dataset.moving
      }
      put(look, x, y)
      if (motion !== 0) return
      settle()
      if (waiting) {
        waiting = false
        changed()
      }
    }
    motion = requestAnimationFrame(step)
    show_tip()
  }

  const on_screen = (seen) => {
    const {x_scale, y_scale} = seen.frame
    return {
      x: Float64Array.from(circles.get("x"), (value) => x_scale.compute(value)),
      y: Float64Array.from(circles.get("y"), (value) => y_scale.compute(value)),
    }
  }

  // Several messages of the server are one change of the picture. What is done moves only when a
  // map was laid out anew or the frame grows; the small steps of what trains need no animation.
  function changed() {
    flushing ||= requestAnimationFrame(() => {
      flushing = 0
      waiting = motion !== 0
      if (waiting) return
      const [name] = axes[model.projection]
      const now = models.get(name), then = circles.get("x"), solid = models.get("solid")
      let travels = model.frames[model.projection].some((edge, index) => edge !== framed?.[index])
      for (let row = 0; row < then.length && !travels; row++) {
        travels = solid[row] === 1 && !Number.isNaN(then[row]) && now[row] !== then[row]
      }
      show(travels)
    })
  }

  // The mouse

  let mouse = null // where the mouse was last seen on the figure
  let over = null // number of the circle under it
  let told = null
  let telling = 0
  let pressed = null

  function nearest(event) {
    const seen = plot_view()
    if (seen == null) return null
    const box = seen.canvas_view.el.getBoundingClientRect()
    const sx = event.clientX - box.left, sy = event.clientY - box.top
    const {bbox, x_scale, y_scale} = seen.frame
    if (sx < bbox.left || sx > bbox.right || sy < bbox.top || sy > bbox.bottom) return null
    const x = circles.get("x"), y = circles.get("y")
    const size = circles.get("size"), number = circles.get("number")
    let best = null, least = Infinity
    for (let row = 0; row < x.length; row++) {
      const distance = Math.hypot(x_scale.compute(x[row]) - sx, y_scale.compute(y[row]) - sy)
      if (distance <= size[row] / 2 + REACH && distance <= least) {
        least = distance
        best = number[row]
      }
    }
    return best
  }

  function point_at(number) {
    if (number === over) return
    over = number
    apply_lit()
    show_tip()
    telling ||= setTimeout(() => {
      telling = 0
      if (over !== told) {
        told = over
        model.send_msg({over})
      }
    }, TELL_MS)
  }

  // Circles that moved may have come under a mouse that rests, or have left it.
  function settle() {
    if (mouse != null && pressed == null) point_at(nearest(mouse))
    show_tip()
  }

  function show_tip() {
    const shown = over != null && model.preview.number === over && pressed == null && motion === 0
    if (!shown) {
      if (tip.matches(":popover-open")) tip.hidePopover()
      return
    }
    tip.innerHTML = model.preview.html
    if (!tip.matches(":popover-open")) tip.showPopover()
    const seen = plot_view()
    const canvas = seen.canvas_view.el.getBoundingClientRect()
    const row = rows.get(over)
    const x = canvas.left + seen.frame.x_scale.compute(circles.get("x")[row])
    const y = canvas.top + seen.frame.y_scale.compute(circles.get("y")[row])
    const {width, height} = tip.getBoundingClientRect()
    const left = x + 18 + width < window.innerWidth - 8 ? x + 18 : x - 18 - width
    const top = Math.min(y - 10, window.innerHeight - height - 8)
    tip.style.left = `${Math.max(8, left)}px`
    tip.style.top = `${Math.max(8, top)}px`
  }

  const dragged = (event) => pressed != null &&
    Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) > DRAGGED

  plot.addEventListener("pointermove", (event) => {
    if (event.pointerType === "touch") return
    if (!event.buttons) pressed = null
    mouse = {clientX: event.clientX, clientY: event.clientY}
    point_at(event.buttons ? null : nearest(event))
    // Bokeh sets the cursor on the same event, before it comes here.
    const surface = plot_view()?.canvas_view.events_el
    if (surface != null && !event.buttons) surface.style.cursor = over == null ? "default" : "pointer"
  })
  const leave = () => {
    mouse = null
    point_at(null)
  }
  plot.addEventListener("pointerleave", leave)
  plot.addEventListener("pointerdown", (event) => {
    pressed = {x: event.clientX, y: event.clientY}
    show_tip()
  })
  plot.addEventListener("click", (event) => {
    const click = dragged(event) ? null : nearest(event)
    pressed = null
    if (click != null) model.send_msg({click})
  })
  // Bokeh frames the figure at every focus; after a click nobody needs to be told where they are.
  plot.addEventListener("focusin", (event) => {
    const [target] = event.composedPath()
    target.style.outline = target.matches(":focus-visible") ? "" : "none"
  })
  window.addEventListener("scroll", leave, {capture: true, passive: true})

  // What the server and the page say

  function describe() {
    radios[model.projection].checked = true
    const words = model.notes[model.projection] ?? ""
    note.textContent = words
    note.hidden = words === ""
    summary.textContent = model.summary
    plot.setAttribute("aria-label", `Model overview, ${projections[model.projection]}`)
  }

  model.on("projection", () => {
    describe()
    show(true)
  })
  model.on(["notes", "summary"], describe)
  model.on("frames", changed)
  model.on(["hovered", "inspected"], apply_lit)
  model.on("preview", show_tip)

  const connected = [
    [models.streaming, changed],
    [models.patching, changed],
    [models.properties.data.change, changed],
    [darkness.properties.palette.change, dress],
    [figure.x_range.change, ranged],
    [figure.y_range.change, ranged],
    [figure.properties.inner_width.change, square],
    [figure.properties.inner_height.change, square],
  ]
  for (const [signal, slot] of connected) signal.connect(slot)
  const end = () => {
    for (const [signal, slot] of connected) signal.disconnect(slot)
    window.removeEventListener("scroll", leave, {capture: true})
    cancelAnimationFrame(motion)
    cancelAnimationFrame(flushing)
    clearTimeout(telling)
  }
  ends.set(view, end)
  model.on("remove", end)

  dress()
  describe()
  show(false)
  ranged()
  return root
}
