// What a page can be measured by. Each function looks at what is visible now, through the shadow
// roots of all components, and gives what is wrong. See accessibility.py.

const parent_of = (one) => one.assignedSlot ?? one.parentElement ?? one.getRootNode().host ?? null

function* above(one) {
  for (let up = one; up; up = parent_of(up)) yield up
}

function* all(root = document) {
  for (const one of root.querySelectorAll("*")) {
    yield one
    if (one.shadowRoot) yield* all(one.shadowRoot)
  }
}

const VISIBLE = {visibilityProperty: true, opacityProperty: true, contentVisibilityAuto: true}

function seen(one) {
  const box = one.getBoundingClientRect()
  if (box.width < 2 || box.height < 2 || !one.checkVisibility(VISIBLE)) return false
  // Not what is cut off, nor what only screen readers are told.
  for (const up of above(one)) {
    const style = getComputedStyle(up), edge = up.getBoundingClientRect()
    if (style.opacity === "0" || style.visibility === "hidden") return false
    if (style.clipPath !== "none" && edge.width <= 2) return false
    if (up === document.documentElement || up === document.body || style.display === "contents") continue
    const cuts = style.overflowX !== "visible" || style.overflowY !== "visible"
    const apart = edge.right <= box.left || edge.left >= box.right
      || edge.bottom <= box.top || edge.top >= box.bottom
    if (cuts && apart) return false
  }
  return true
}

function where(one) {
  const path = []
  for (const up of above(one)) {
    const classes = typeof up.className === "string" ? up.className.trim().split(/\s+/).filter(Boolean) : []
    path.unshift([up.tagName.toLowerCase(), ...classes].join("."))
    if (path.length === 5) break
  }
  return path.join(" > ")
}

const own_text = (one) => [...one.childNodes].filter((node) => node.nodeType === 3)
  .map((node) => node.data.trim()).join(" ").trim()

// Contrast, by WCAG 2.2

function parse(colour) {
  const [red, green, blue, alpha = 1] = colour.match(/[\d.]+/g).map(Number)
  const scale = colour.startsWith("color(srgb") ? 255 : 1
  return [red * scale, green * scale, blue * scale, alpha]
}

const over = ([red, green, blue, alpha], below) =>
  [red, green, blue].map((one, at) => one * alpha + below[at] * (1 - alpha))

function light(rgb) {
  const linear = rgb.map((one) => one / 255)
    .map((one) => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4)
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
}

function ratio(one, other) {
  const [high, low] = [light(one), light(other)].sort((a, b) => b - a)
  return (high + 0.05) / (low + 0.05)
}

function contrast() {
  const wrong = new Map()
  for (const one of all()) {
    if (one.matches("style, script, title, noscript, option, template")) continue
    const field = one.matches("input:not([type=checkbox], [type=radio]), textarea, select")
    const words = own_text(one) || (field ? one.value || one.placeholder : "")
    if (!words || !seen(one)) continue
    const chain = [...above(one)]
    // What cannot be used now is exempt.
    if (chain.some((up) => up.matches(":disabled, [aria-disabled=true]"))) continue
    const style = getComputedStyle(one)
    let ground = [255, 255, 255]
    for (const up of chain.toReversed()) ground = over(parse(getComputedStyle(up).backgroundColor), ground)
    const share = chain.reduce((product, up) => product * Number(getComputedStyle(up).opacity), 1)
    const [red, green, blue, alpha] = parse(one instanceof SVGElement ? style.fill : style.color)
    const found = ratio(over([red, green, blue, alpha * share], ground), ground)
    const size = parseFloat(style.fontSize), bold = Number(style.fontWeight) >= 700
    const least = size >= 24 || (bold && size >= 18.66) ? 3 : 4.5
    if (found >= least) continue
    wrong.set(where(one) + style.color, {words: words.slice(0, 40), ratio: +found.toFixed(2),
      ink: style.color, ground: ground.map(Math.round), where: where(one)})
  }
  return [...wrong.values()]
}

// What sticks out of the window or of its place, and text that is cut with no way to read the rest

function overflow() {
  const wrong = new Map()
  const wide = document.scrollingElement.scrollWidth
  if (wide > innerWidth) wrong.set("page", {where: "page", wide})
  for (const one of all()) {
    if (one.matches("svg *, canvas, option") || !seen(one)) continue
    const box = one.getBoundingClientRect(), [, ...around] = above(one)
    const out = (box.left < -1 && box.right > 0) || (box.right > innerWidth + 1 && box.left < innerWidth)
    const scrolls = around.some((up) => up !== document.documentElement
      && /auto|scroll|hidden/.test(getComputedStyle(up).overflowX))
    if (out && !scrolls) wrong.set(where(one), {where: where(one), left: box.left, right: box.right})
    const place = one.matches(".sheet") ? one.getRootNode().host.getBoundingClientRect() : null
    if (place && box.bottom > place.bottom + 1) {
      wrong.set(`${where(one)} over`, {where: where(one), over: box.bottom - place.bottom})
    }
    const cut = one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0
      && getComputedStyle(one).overflowX === "hidden" && own_text(one)
    if (!cut || [one, ...around].some((up) => up.title)) continue
    wrong.set(`${where(one)} cut`, {where: where(one), cut: one.textContent.trim().slice(0, 60)})
  }
  return [...wrong.values()]
}

// The keyboard

const WORKED = "button, a[href], input:not([type=hidden]), select, textarea, summary, [tabindex], [role=button]"
const GROUPS = "[role=toolbar], [role=grid], [role=group], [role=radiogroup], [role=tablist], table"

function key_of(one) {
  window.remap_keys ??= new Map()
  if (!window.remap_keys.has(one)) window.remap_keys.set(one, `${where(one)} #${window.remap_keys.size}`)
  return window.remap_keys.get(one)
}

// What the Tab key must come to. The arrow keys go on within a group.
function reachable() {
  const stops = [...all()].filter((one) => one.matches(WORKED) && seen(one)
    && ![...above(one)].some((up) => up.matches(":disabled, [aria-hidden=true], [inert]")))
  const grouped = (one) => [...above(one)].slice(1).some((up) => up.matches(GROUPS)
    && (up.tabIndex >= 0 || stops.some((other) => other.tabIndex >= 0 && [...above(other)].includes(up))))
  const other_radio = (one) => one.matches("input[type=radio]") && !one.checked
  return stops.filter((one) => !other_radio(one) && (one.tabIndex >= 0 || !grouped(one))).map(key_of)
}

// What has the focus, and whether a person sees that it has: by a ring on it, in it or around it.
function focused() {
  let one = document.activeElement
  while (one?.shadowRoot?.activeElement) one = one.shadowRoot.activeElement
  if (one == null || one === document.body) return null
  // A table's is drawn after its rows, which would cover it.
  const ringed = (part) => [null, "::after"].some((drawn) => {
    const {content, outlineStyle, outlineWidth, boxShadow} = getComputedStyle(part, drawn)
    if (drawn && content === "none") return false
    return (outlineStyle !== "none" && parseFloat(outlineWidth) > 0) || boxShadow !== "none"
  })
  const near = [...[...above(one)].slice(0, 3), ...one.children]
  const material = one.matches(".Mui-focusVisible") || one.querySelector(".Mui-focusVisible") != null
  return {key: key_of(one), where: where(one), shown: material || near.some(ringed)}
}
