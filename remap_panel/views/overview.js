// The overview in the browser: where every circle stands, and which one the mouse is on.
//
// The server owns the source "models" and only appends rows to it or patches cells. From it this
// script derives the source "circles", which nobody syncs: where each circle stands now. Rows are
// never renumbered, so row i is the same model in both; models are spoken of by number.
//
// Bokeh draws axes and grid and moves the ranges. Circles, lines and marks are painted here, on
// canvases above it. The pixels of each look of a circle are computed once and stamped from then on:
// without a graphics card that paints ten thousand of them many times quicker than canvas calls do.

const MOVE_MS = 300
const ANIMATED = 1000 // circles above which a change of projection jumps
const REACH = 3 // px around a circle that count as the circle
const DRAGGED = 4 // px after which a press is no click
const TELL_MS = 40 // between two messages about the mouse
const ZOOM = 1.5 // factor of one press of a zoom button
const SHADES = 64 // steps of darkness
const CROWDS = [[1500, 1], [4000, 0.8], [Infinity, 0.6]] // share of a circle's radius, up to a count
const DIAMOND = 1.2533 // reach of a diamond as large as a circle of radius 1
const KEYS = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowDown: [1, -1], ArrowUp: [1, 1]}

// What ends the drawing of a view: Panel may render one again without saying so to the old one.
const ends = new WeakMap()

export function render({model, view}) {
  ends.get(view)?.()
  const {modes, projections, axes, examples, hover_radius, edge, chip_legend, spans} =
    model.esm_constants
  const figure = model.figure
  const models = find("models")
  const circles = find("circles")
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
  const [under, middle, over_all] = ["under", "circles", "over"].map((name) =>
    make("canvas", {class: name, "aria-hidden": "true"}))
  const plot = make(
    "div", {class: "plot", role: "application", "aria-roledescription": "scatter plot"},
    model.get_child("figure"), under, middle, over_all,
  )
  const live = make("p", {class: "unseen", "aria-live": "polite"})
  const scale = make("p", {class: "scale"}, make("i"), make("span"))
  const note = make("p", {class: "note"})
  const summary = make("p", {class: "unseen", id: `summary-${view.model.id}`})
  const legend = make("div", {class: "legend"})
  const icon = (path) => {
    const drawn = document.createElementNS("http://www.w3.org/2000/svg", "svg")
    drawn.setAttribute("viewBox", "0 0 16 16")
    drawn.setAttribute("aria-hidden", "true")
    const line = document.createElementNS("http://www.w3.org/2000/svg", "path")
    line.setAttribute("d", path)
    drawn.append(line)
    return drawn
  }
  const button = (sign, words, press) => {
    const made = make("button", {type: "button", title: words, "aria-label": words}, sign)
    made.addEventListener("click", press)
    return made
  }
  const link = (words, press) => {
    const made = make("button", {type: "button"}, words)
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
  const ways = {
    pan: button(icon("M8 1v14M1 8h14M6 3l2-2 2 2M6 13l2 2 2-2M3 6l-2 2 2 2M13 6l2 2-2 2"),
      "drag to move the view", () => drag_by("pan")),
    box: button(icon("M2 3h2.4m2.2 0h2.8m2.2 0H14v2.4m0 2.2v2.8m0 2.2V13h-2.4m-2.2 0H6.6m-2.2 0H2"
      + "v-2.4m0-2.2V5.600m0-2.200V3"), "drag a box to select models (Shift adds)", () => drag_by("box")),
    lasso: button(icon("M5 11C0 10 1 3 8 3s8 7 1 8q-3 0-4-1-1 1 0 3 0 2-2 2"),
      "drag around models to select them (Shift adds)", () => drag_by("lasso")),
  }
  const drags = make("div", {class: "tools", role: "group", "aria-label": "Dragging"},
    ...Object.values(ways))
  const front_box = make("input", {type: "checkbox", checked: ""})
  const front_words = make("span", {}, "Pareto front")
  const front_choice = make("label", {class: "choice"}, front_box, front_words)
  const count = make("span", {class: "count"})
  const chosen = make(
    "p", {class: "chosen", hidden: "", role: "group", "aria-label": "Selected models"}, count,
    link("add to drawer", () => model.send_msg({keep: "selection"})),
    link("compare", () => model.send_msg({compare: "selection"})),
    link("clear", () => model.send_msg({select: []})),
  )
  const key = make("div", {class: "key", popover: "auto"})
  const key_button = button("?", "legend: circles, lines and chips", () => key.togglePopover())
  const tip = make("div", {class: "tip", role: "tooltip", popover: "manual"})
  const root = make(
    "section", {class: "overview", "aria-label": model.title},
    make("header", {}, title, choice), plot,
    make("footer", {}, legend, chosen, make("div", {class: "hands"}, front_choice, drags, tools, key_button)),
    summary, live, tip, key,
  )
  plot.append(note, scale)
  plot.setAttribute("aria-describedby", summary.id)

  function fill_legend(mode) {
    const dots = examples.map(([words, radius]) => {
      const dot = make("i", {class: "dot"})
      dot.style.width = dot.style.height = `${2 * radius}px`
      return make("span", {}, dot, words)
    })
    const bar = make("i", {class: "bar"})
    bar.style.background = `linear-gradient(to right, ${mode.palette.join(",")})`
    const {title, low, high} = model.darkness
    legend.replaceChildren(
      make("span", {class: "darkness", title: `${mode.better} is better; the scale never moves`},
        make("span", {class: "words"}, title), low, bar, high),
      make("span", {}, model.words.size ?? "parameters", ...dots),
    )
    const marks = [
      ["initial", "sampled at the start"], ["spawned", "made from another model or by hand"],
      ["hollow", "in training: its accuracy so far"], ["kept", "in the drawer"],
      ["selected", "selected"], ["inspected", "inspected, or under the mouse"],
      ["front", "Pareto front: no other model is both better and smaller"],
      ["dimmed", "falls short of the needs"],
      ["family", "to the parent (solid) and children (dashed) of the inspected model"],
    ].map(([name, words]) => make("li", {}, make("i", {class: `mark ${name}`}), words))
    const chips = make("ul", {})
    chips.innerHTML = model.words.legend ?? chip_legend
    key.replaceChildren(
      make("h3", {}, "Circles and lines"), make("ul", {}, ...marks),
      make("p", {}, `${mode.better} is better, from chance level to 1; larger has more ${model.words.size ?? "parameters"}.`
        + " Neither scale moves when models arrive."),
      make("h3", {}, model.words.chips ?? "Chips: one block per layer, as high as its data is large"), chips,
      make("p", {}, "Keys on the figure: arrows go from model to model, Enter keeps one in the"
        + " drawer and inspects it, + and − zoom, 0 shows all, Escape clears the selection."),
    )
  }

  // The figure's own colours follow the mode by themselves; the rest follows the figure.
  function dress() {
    const page = document.documentElement.dataset.theme
    const [name, mode] = Object.entries(modes)
      .find(([each, {palette}]) => page in modes ? each === page : palette[0] === darkness.palette[0])
    for (const axis of [...figure.below, ...figure.left]) {
      axis.setv({major_label_text_color: mode.muted, axis_label_text_color: mode.text})
    }
    for (const grid of figure.center) grid.grid_line_color = mode.border
    root.dataset.mode = name
    root.style.cssText = mode.css
    colours = mode
    stamps.clear()
    fill_legend(mode)
    repaint()
  }

  // Where the circles stand

  const plot_view = () => view.get_child_view(figure)
  const reduced = window.matchMedia("(prefers-reduced-motion: reduce)")
  let framed = null // the frame that the ranges were last set to
  let motion = 0 // handle of the running animation, 0 where there is none
  let flushing = 0 // handle of the coming update, 0 where there is none
  let waiting = false // whether something changed while circles travelled
  let clicked = null // the model that was clicked, until the server has heard of it

  const inspected = () => clicked ?? model.inspected

  // The frame applies as long as the ranges are as this script left them: who has zoomed keeps
  // what they see until they reset or switch.
  const follows = () => framed == null ||
    [figure.x_range.start, figure.x_range.end, figure.y_range.start, figure.y_range.end]
      .every((edge, index) => edge === framed[index])

  // Around what the person looks at: the inspected circle, else the middle of those in sight.
  function zoom(factor) {
    const {x_range, y_range} = figure
    const x = circles.get("x"), y = circles.get("y")
    const inside = (row) => x[row] >= x_range.start && x[row] <= x_range.end &&
      y[row] >= y_range.start && y[row] <= y_range.end
    const pinned = rows.get(inspected())
    const seen = pinned !== undefined && inside(pinned) ? [pinned]
      : [...x.keys()].filter(inside)
    const middle = (values, range) => {
      const sorted = seen.map((row) => values[row]).sort((a, b) => a - b)
      return sorted[sorted.length >> 1] ?? (range.start + range.end) / 2
    }
    for (const [range, values] of [[x_range, x], [y_range, y]]) {
      const centre = middle(values, range)
      range.setv({
        start: centre + factor * (range.start - centre), end: centre + factor * (range.end - centre),
      })
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
    figure.toolbar.active_drag = way !== "pan" || (fingers.matches && follows()) ? null : drag
    place_scale()
    repaint()
  }

  function resized() {
    place_scale()
    repaint()
  }

  function drag_by(name) {
    way = name
    for (const [each, made] of Object.entries(ways)) made.setAttribute("aria-pressed", each === way)
    root.dataset.way = way
    ranged()
  }

  // On a map lengths are distances: a bar says how long some distance is.
  function place_scale() {
    const words = model.words[model.projection] ?? spans[model.projection]
    const seen = plot_view()
    const wide = seen?.frame.bbox.width
    scale.hidden = words == null || !(wide > 0) || note.textContent !== ""
    if (scale.hidden) return
    const {start, end} = figure.x_range
    const unit = wide / (end - start)
    const rough = 70 / unit
    const decade = 10 ** Math.floor(Math.log10(rough))
    const step = ([5, 2, 1].find((factor) => factor * decade <= rough) ?? 1) * decade
    scale.firstChild.style.width = `${step * unit}px`
    scale.lastChild.textContent = words.replace("{}", `${+step.toPrecision(1)}`)
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

  // Painting

  let colours = Object.values(modes)[0]
  let way = "pan" // what dragging does: pan, box or lasso
  let painting = 0 // handle of the coming painting, 0 where there is none
  let order = [] // rows from the first to be painted to the last
  let look = new Int32Array(0) // how each row's circle looks, as a number
  let crowd = 1 // share of their radius that circles have among many
  let image = null // the pixels of all circles
  let shown = [] // what `image` shows, besides where it stands
  let standing = [] // px of 0 and length of 1 on both axes, as `image` shows them
  const stamps = new Map() // pixels of one circle, by look and by its place between pixels

  const shade_of = (value) => {
    const share = (value - darkness.low) / (darkness.high - darkness.low)
    return Math.min(Math.max(Math.floor(share * SHADES), 0), SHADES - 1)
  }

  // Large ones first, so that no small one is hidden; what falls short lies under the rest.
  function arrange() {
    const size = circles.get("size"), dim = models.get("dim"), n = size.length
    const solid = models.get("solid"), spawned = models.get("spawned")
    const shade = models.get("shade"), accuracy = models.get("accuracy")
    crowd = CROWDS.find(([most]) => n <= most)[1]
    look = new Int32Array(n)
    for (let row = 0; row < n; row++) {
      const step = solid[row] ? shade_of(Number.isNaN(shade[row]) ? accuracy[row] : shade[row]) : 0
      const quarter = Math.round(size[row] * crowd * 2)
      look[row] = (((quarter * SHADES + step) * 2 + solid[row]) * 2 + dim[row]) * 2 + spawned[row]
    }
    order = Array.from({length: n}, (_, row) => row)
    order.sort((a, b) => dim[b] - dim[a] || size[b] - size[a] || a - b)
  }

  // A sampled model is a circle, a spawned one a diamond of about the same area.
  function trace(brush, x, y, radius, spawned) {
    brush.beginPath()
    if (spawned) {
      const reach = radius * DIAMOND
      brush.moveTo(x, y - reach)
      brush.lineTo(x + reach, y)
      brush.lineTo(x, y + reach)
      brush.lineTo(x - reach, y)
      brush.closePath()
    } else {
      brush.arc(x, y, radius, 0, 2 * Math.PI)
    }
  }

  // The pixels of a look, with soft edges, a half or none of a pixel to the right and down.
  function stamp(number, right, down) {
    const spawned = number & 1, dim = number >> 1 & 1, solid = number >> 2 & 1
    const shade = (number >> 3) % SHADES, ratio = window.devicePixelRatio
    const radius = Math.floor((number >> 3) / SHADES) / 4 * ratio
    const width = (solid ? 0.7 : 1.8) * ratio
    const half = Math.ceil(radius * DIAMOND + width) + 1
    const side = 2 * half + 1
    const pixels = new Uint8ClampedArray(4 * side * side)
    const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16))
    const fill = rgb(colours.palette[shade]), stroke = rgb(colours.stroke)
    const veil = dim ? 0.22 : 1
    for (let y = 0, at = 0; y < side; y++) {
      for (let x = 0; x < side; x++, at += 4) {
        const dx = x - half - right / 2 + 0.5, dy = y - half - down / 2 + 0.5
        const beyond = spawned
          ? (Math.abs(dx) + Math.abs(dy) - radius * DIAMOND) * Math.SQRT1_2
          : Math.hypot(dx, dy) - radius
        const inner = solid * 0.95 * Math.min(Math.max(0.5 - beyond, 0), 1)
        const edge = Math.min(width, 1) *
          Math.min(Math.max(width / 2 + 0.5 - Math.abs(beyond), 0), 1)
        const whole = edge + inner * (1 - edge)
        if (whole === 0) continue
        for (let channel = 0; channel < 3; channel++) {
          pixels[at + channel] =
            (stroke[channel] * edge + fill[channel] * inner * (1 - edge)) / whole
        }
        pixels[at + 3] = 255 * whole * veil
      }
    }
    return {half, side, pixels, words: new Uint32Array(pixels.buffer)}
  }

  function repaint() {
    painting ||= requestAnimationFrame(() => {
      painting = 0
      paint()
    })
  }

  // Lays a canvas over the figure and wipes it; gives its brush, in px of the page.
  function brush_on(canvas, seen) {
    const outer = plot.getBoundingClientRect(), inner = seen.canvas_view.el.getBoundingClientRect()
    const {width, height} = inner
    const ratio = window.devicePixelRatio
    const [wide, tall] = [Math.round(width * ratio), Math.round(height * ratio)]
    if (canvas.width !== wide || canvas.height !== tall) {
      canvas.width = wide
      canvas.height = tall
      canvas.style.width = `${width}px`
      canvas.style.height = `${height}px`
    }
    canvas.style.left = `${inner.left - outer.left}px`
    canvas.style.top = `${inner.top - outer.top}px`
    const brush = canvas.getContext("2d")
    brush.setTransform(ratio, 0, 0, ratio, 0, 0)
    brush.clearRect(0, 0, width, height)
    return brush
  }

  function clip(brush, {left, right, top, bottom}) {
    brush.beginPath()
    brush.rect(left, top, right - left, bottom - top)
    brush.clip()
  }

  // Where all is on the screen now; null while Bokeh has not laid the figure out.
  function places() {
    const seen = plot_view()
    if (!(seen?.frame.bbox.width > 0)) return null
    const {x_scale, y_scale} = seen.frame
    const x = x_scale.v_compute(circles.get("x")), y = y_scale.v_compute(circles.get("y"))
    const there = (number) => {
      const row = rows.get(number)
      return row !== undefined && Number.isFinite(x[row] + y[row]) ? row : null
    }
    const all = (numbers) => numbers.map(there).filter((row) => row !== null)
    const radius = (row) => circles.get("size")[row] / 2 * crowd
    return {seen, x, y, there, all, radius}
  }

  const shown_front = ({all}) => front_box.checked ? all(model.front) : []

  function paint() {
    const found = places()
    if (found == null) return
    paint_under(found)
    paint_circles(found)
    paint_over(found)
  }

  function paint_under(found) {
    const {seen, x, y, all, radius} = found
    const brush = brush_on(under, seen)
    const spawned = models.get("spawned")
    brush.save()
    clip(brush, seen.frame.bbox)
    brush.fillStyle = colours.accent
    brush.globalAlpha = 0.35
    for (const row of all(model.selection)) {
      trace(brush, x[row], y[row], radius(row) + 5, spawned[row])
      brush.fill()
    }
    brush.globalAlpha = 1
    if (model.projection === "accuracy") {
      brush.strokeStyle = colours.front
      brush.lineWidth = 1.5
      brush.setLineDash([4, 3])
      brush.beginPath()
      for (const row of shown_front(found)) brush.lineTo(x[row], y[row])
      brush.stroke()
    }
    brush.restore()
  }

  // Who drags moves all circles alike: the pixels that stay in sight are moved, and only the strips
  // that come into sight are stamped. Anything else that changed has all of it stamped.
  function paint_circles(found) {
    const {seen} = found
    const brush = brush_on(middle, seen)
    const {width, height} = middle
    if (width === 0 || height === 0) return
    const ratio = window.devicePixelRatio
    const {left, right, top, bottom} = seen.frame.bbox
    const edges = [left, right, top, bottom].map((edge) => Math.round(edge * ratio))
    const [low_x, high_x] = [Math.max(edges[0], 0), Math.min(edges[1], width)]
    const [low_y, high_y] = [Math.max(edges[2], 0), Math.min(edges[3], height)]
    const whole = [low_x, high_x, low_y, high_y]
    const showing = [circles.get("x"), circles.get("y"), order, colours, width, height, ratio, ...whole]
    const at = ["x_scale", "y_scale"].flatMap((name) => {
      const scale = seen.frame[name], origin = scale.compute(0)
      return [origin * ratio, (scale.compute(1) - origin) * ratio]
    })
    const same = image != null && showing.every((one, index) => one === shown[index])
    const step = same ? moved(at) : null
    if (step == null) {
      if (image?.width !== width || image.height !== height) image = new ImageData(width, height)
      new Uint32Array(image.data.buffer).fill(0)
      stamp_all(found, whole)
      standing = at
    } else {
      const [across, down] = step
      shift(whole, across, down)
      const strip_x = across > 0 ? [low_x, low_x + across] : [high_x + across, high_x]
      const strip_y = down > 0 ? [low_y, low_y + down] : [high_y + down, high_y]
      const rest = down > 0 ? [low_y + down, high_y] : [low_y, high_y + down]
      if (down !== 0) stamp_all(found, [low_x, high_x, ...strip_y])
      if (across !== 0) stamp_all(found, [...strip_x, ...rest])
      // What is painted stands where whole steps brought it: small rests do not add up.
      standing = [standing[0] + across, standing[1], standing[2] + down, standing[3]]
    }
    shown = showing
    brush.putImageData(image, 0, 0)
  }

  // Whole pixels by which all that is painted moves, null where that is not all that happens.
  function moved(at) {
    const scaled = [1, 3].some((axis) => Math.abs(at[axis] / standing[axis] - 1) > 1e-9)
    const steps = [0, 2].map((axis) => at[axis] - standing[axis])
    const whole = steps.map(Math.round)
    const [, , , , width, height] = shown
    const broken = steps.some((step, axis) => !(Math.abs(step - whole[axis]) < 0.02))
    if (scaled || broken || Math.abs(whole[0]) >= width / 2 || Math.abs(whole[1]) >= height / 2) {
      return null
    }
    return whole
  }

  // Moves the pixels within a box, and wipes what comes into sight.
  function shift([low_x, high_x, low_y, high_y], across, down) {
    const {width} = image
    const words = new Uint32Array(image.data.buffer)
    const from_x = Math.max(low_x, low_x - across), to_x = Math.min(high_x, high_x - across)
    const rows = high_y - low_y
    for (let step = 0; step < rows; step++) {
      // From the side to which all moves, so that no row is overwritten before it has moved.
      const y = down > 0 ? high_y - 1 - step : low_y + step
      const source = y - down, line = y * width
      if (source < low_y || source >= high_y) {
        words.fill(0, line + low_x, line + high_x)
        continue
      }
      words.copyWithin(line + from_x + across, source * width + from_x, source * width + to_x)
      if (across > 0) words.fill(0, line + low_x, line + low_x + across)
      if (across < 0) words.fill(0, line + high_x + across, line + high_x)
    }
  }

  // Lays all circles over each other, as far as they are within a box.
  function stamp_all({x, y}, [low_x, high_x, low_y, high_y]) {
    const {width, data: to} = image
    const words = new Uint32Array(to.buffer)
    const ratio = window.devicePixelRatio
    for (const row of order) {
      const across = Math.round(x[row] * ratio * 2), up = Math.round(y[row] * ratio * 2)
      const near = across >= 2 * low_x - 60 * ratio && across <= 2 * high_x + 60 * ratio &&
        up >= 2 * low_y - 60 * ratio && up <= 2 * high_y + 60 * ratio
      if (!near) continue
      const key = look[row] * 4 + (across & 1) * 2 + (up & 1)
      let made = stamps.get(key)
      if (made === undefined) {
        made = stamp(look[row], across & 1, up & 1)
        stamps.set(key, made)
      }
      const {half, side, pixels, words: own} = made
      const x0 = (across >> 1) - half, y0 = (up >> 1) - half
      const from_x = Math.max(low_x - x0, 0), to_x = Math.min(high_x - x0, side)
      const from_y = Math.max(low_y - y0, 0), to_y = Math.min(high_y - y0, side)
      for (let py = from_y; py < to_y; py++) {
        let at = py * side + from_x, goal = (y0 + py) * width + x0 + from_x
        for (let px = from_x; px < to_x; px++, at++, goal++) {
          const alpha = pixels[4 * at + 3]
          if (alpha === 0) continue
          const below = to[4 * goal + 3]
          if (alpha === 255 || below === 0) {
            words[goal] = own[at]
            continue
          }
          const rest = below * (255 - alpha) / 255, whole = alpha + rest
          for (let channel = 0; channel < 3; channel++) {
            to[4 * goal + channel] =
              (pixels[4 * at + channel] * alpha + to[4 * goal + channel] * rest) / whole
          }
          to[4 * goal + 3] = whole
        }
      }
    }
  }

  // A layer of its own: a hover repaints some marks, not all circles.
  function paint_lit() {
    const found = places()
    if (found != null) paint_over(found)
  }

  function paint_over(found) {
    const {seen, x, y, there, all, radius} = found
    const brush = brush_on(over_all, seen)
    const spawned = models.get("spawned")
    brush.save()
    clip(brush, seen.frame.bbox)
    const ring = (row, gap) => {
      trace(brush, x[row], y[row], radius(row) + gap, spawned[row])
      brush.stroke()
    }
    brush.lineWidth = 1.5
    brush.strokeStyle = colours.front
    for (const row of shown_front(found)) ring(row, 2)
    brush.strokeStyle = colours.text
    for (const row of all(model.kept)) ring(row, 4.5)
    const pinned = there(model.inspected)
    if (pinned !== null && inspected() === model.inspected) {
      const {parent, children} = model.family
      const line = (row) => {
        brush.beginPath()
        brush.moveTo(x[pinned], y[pinned])
        brush.lineTo(x[row], y[row])
        brush.stroke()
      }
      brush.strokeStyle = colours.family
      brush.lineWidth = 1.3
      all(parent == null ? [] : [parent]).forEach(line)
      brush.setLineDash([5, 4])
      all(children).forEach(line)
      brush.setLineDash([])
    }
    brush.restore()
    const hovered = over ?? model.hovered
    root.dataset.hovered = hovered ?? ""
    root.dataset.inspected = inspected() ?? ""
    for (const number of new Set([inspected(), hovered])) {
      const row = there(number)
      if (row === null) continue
      const reach = number === hovered ? hover_radius : radius(row) + 1
      trace(brush, x[row], y[row], reach, spawned[row])
      brush.fillStyle = colours.highlight
      brush.fill()
      brush.strokeStyle = colours.stroke
      brush.lineWidth = 2
      brush.stroke()
    }
    if (roped.length > 1) {
      brush.beginPath()
      for (const [sx, sy] of roped) brush.lineTo(sx, sy)
      brush.closePath()
      brush.globalAlpha = 0.15
      brush.fillStyle = colours.accent
      brush.fill()
      brush.globalAlpha = 1
      brush.strokeStyle = colours.accent
      brush.lineWidth = 1.5
      brush.stroke()
    }
  }

  // What a circle is besides its place; copied, since the server appends while circles travel.
  const looks = () => ({
    number: models.get("number").slice(),
    size: Float32Array.from(models.get("radius"), (radius) => 2 * radius),
  })

  function put(look, x, y) {
    const grown = circles.get("number").length !== look.number.length
    circles.data = {...look, x, y}
    if (grown || order.length !== x.length || motion === 0) arrange()
    repaint()
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
  let by_key = false // whether the arrow keys led to the circle
  let roping = false // whether the press that ends now drew a rope
  let roped = [] // corners of the box or lasso that is being drawn, in px of the canvas

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
      if (distance <= size[row] / 2 * crowd + REACH && distance <= least) {
        least = distance
        best = number[row]
      }
    }
    return best
  }

  function point_at(number, key = false) {
    if (number === over) return
    over = number
    by_key = key
    paint_lit()
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
    if (by_key) live.textContent = tip.innerText
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
    by_key = false
    mouse = {clientX: event.clientX, clientY: event.clientY}
    point_at(event.buttons ? null : nearest(event))
    // Bokeh sets the cursor on the same event, before it comes here.
    const surface = plot_view()?.canvas_view.events_el
    if (surface != null && !event.buttons) surface.style.cursor = over != null ? "pointer" : way === "pan" ? "default" : "crosshair"
  })
  const leave = () => {
    mouse = null
    point_at(null)
  }
  plot.addEventListener("pointerleave", leave)
  plot.addEventListener("pointerdown", (event) => {
    pressed = {x: event.clientX, y: event.clientY}
    roping = false
    show_tip()
    if (way !== "pan" && event.button === 0) {
      event.preventDefault()
      plot.setPointerCapture(event.pointerId)
      roped = [on_canvas(event)]
    }
  })
  plot.addEventListener("click", (event) => {
    const found = dragged(event) || roping ? null : nearest(event)
    pressed = null
    roping = false
    if (found != null) click(found)
  })

  // Marked at once: what the server has to show of the model may take it a moment.
  function click(number) {
    clicked = number === model.inspected ? null : number
    paint_lit()
    model.send_msg({click: number})
  }

  // Selecting by a box or a lasso

  function on_canvas(event) {
    const box = plot_view().canvas_view.el.getBoundingClientRect()
    return [event.clientX - box.left, event.clientY - box.top]
  }
  plot.addEventListener("pointermove", (event) => {
    if (roped.length === 0) return
    const [x, y] = on_canvas(event), [left, top] = roped[0]
    roped = way === "box" ? [[left, top], [x, top], [x, y], [left, y]] : [...roped, [x, y]]
    paint_lit()
  })
  plot.addEventListener("pointerup", (event) => {
    const rope = roped
    roped = []
    if (rope.length === 0) return
    paint_lit()
    const [from_x, from_y] = rope[0]
    const reach = Math.max(...rope.map(([x, y]) => Math.hypot(x - from_x, y - from_y)))
    if (reach <= DRAGGED) return
    // A rope that ends where it began is no click.
    roping = true
    const found = within(rope)
    const before = event.shiftKey ? model.selection : []
    model.send_msg({select: [...new Set([...before, ...found])]})
  })
  // Else Chromium takes a quick drag by finger for a fling, and loses the next tap.
  plot.addEventListener("touchmove", (event) => {
    if (roped.length > 0 && event.cancelable) event.preventDefault()
  }, {passive: false})
  plot.addEventListener("pointercancel", () => {
    roped = []
    paint_lit()
  })

  // The even-odd rule, as the rope is filled.
  function within(rope) {
    const {x, y} = places()
    const number = circles.get("number")
    const inside = (px, py) => {
      let odd = false
      for (let at = 0, last = rope.length - 1; at < rope.length; last = at++) {
        const [ax, ay] = rope[at], [bx, by] = rope[last]
        if ((ay > py) !== (by > py) && px < (bx - ax) * (py - ay) / (by - ay) + ax) odd = !odd
      }
      return odd
    }
    return [...number].filter((_, row) => inside(x[row], y[row]))
  }

  // The keyboard: arrows go to the next circle in sight that way.

  plot.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return
    const step = KEYS[event.key]
    if (step !== undefined) {
      const next = beside(...step)
      if (next != null) point_at(next, true)
    } else if (event.key === "Enter" && over != null) {
      click(over)
    } else if (event.key === "+" || event.key === "-") {
      zoom(event.key === "+" ? 1 / ZOOM : ZOOM)
    } else if (event.key === "0") {
      show_all()
    } else if (event.key === "Escape" && model.selection.length > 0) {
      model.send_msg({select: []})
    } else {
      return
    }
    event.preventDefault()
    event.stopPropagation()
  }, {capture: true})
  plot.addEventListener("focusout", () => {
    if (by_key) point_at(null)
  })

  function beside(axis, direction) {
    const {seen, x, y} = places()
    const {left, right, top, bottom} = seen.frame.bbox
    const at = rows.get(over ?? inspected())
    const values = axis === 0 ? x : Array.from(y, (value) => -value)
    const number = circles.get("number")
    let best = null
    for (let row = 0; row < x.length; row++) {
      if (!(x[row] >= left && x[row] <= right && y[row] >= top && y[row] <= bottom)) continue
      const ahead = at === undefined ? 1
        : direction * (values[row] - values[at]) || direction * (row - at)
      if (ahead <= 0) continue
      if (best === null || direction * (values[row] - values[best]) < 0) best = row
    }
    return best === null ? null : number[best]
  }
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
    place_scale()
  }

  function describe_marks() {
    const selected = model.selection.length
    // In the legend's place: the figure keeps its size under the mouse.
    chosen.hidden = selected === 0
    legend.hidden = selected !== 0
    count.textContent = selected === 1 ? "1 model selected" : `${selected} models selected`
    front_words.textContent = `Pareto front (${model.front.length})`
    root.dataset.front = model.front.join(" ")
    root.dataset.selection = model.selection.join(" ")
    repaint()
  }

  model.on("projection", () => {
    describe()
    show(true)
  })
  model.on(["notes", "summary"], describe)
  model.on("frames", changed)
  model.on("hovered", paint_lit)
  model.on("inspected", () => {
    if (model.inspected === clicked) clicked = null
    repaint()
  })
  model.on("family", repaint)
  model.on(["front", "kept", "selection"], describe_marks)
  model.on("darkness", dress)
  front_box.addEventListener("change", repaint)
  model.on("preview", show_tip)

  // The page knows its mode before the figure's own colours follow.
  const modal = new MutationObserver(dress)
  modal.observe(document.documentElement, {attributes: true, attributeFilter: ["data-theme"]})

  const connected = [
    [models.streaming, changed],
    [models.patching, changed],
    [models.properties.data.change, changed],
    [darkness.properties.palette.change, dress],
    [figure.x_range.change, ranged],
    [figure.y_range.change, ranged],
    [figure.properties.inner_width.change, square],
    [figure.properties.inner_height.change, square],
    [figure.properties.inner_width.change, resized],
    [figure.properties.inner_height.change, resized],
  ]
  for (const [signal, slot] of connected) signal.connect(slot)
  const end = () => {
    for (const [signal, slot] of connected) signal.disconnect(slot)
    window.removeEventListener("scroll", leave, {capture: true})
    modal.disconnect()
    cancelAnimationFrame(motion)
    cancelAnimationFrame(flushing)
    cancelAnimationFrame(painting)
    clearTimeout(telling)
  }
  ends.set(view, end)
  model.on("remove", end)

  dress()
  describe()
  describe_marks()
  show(false)
  drag_by("pan")
  return root
}
