"""What a page can be measured by: contrast, names, reach of the keyboard, what sticks out.

Each script looks at what is visible now, through the shadow roots of all components, and gives
what is wrong.
"""

from __future__ import annotations

WALK = """
const parent_of = (one) => one.assignedSlot ?? one.parentElement ?? one.getRootNode().host ?? null
function* all(root = document) {
  for (const one of root.querySelectorAll("*")) {
    yield one
    if (one.shadowRoot) yield* all(one.shadowRoot)
  }
}
const seen = (one) => {
  const box = one.getBoundingClientRect()
  if (box.width < 2 || box.height < 2) return false
  if (!one.checkVisibility({visibilityProperty: true, opacityProperty: true, contentVisibilityAuto: true})) return false
  // Not what is cut off, nor what only screen readers are told.
  for (let up = one; up; up = parent_of(up)) {
    const style = getComputedStyle(up), edge = up.getBoundingClientRect()
    if (style.opacity === "0" || style.visibility === "hidden") return false
    if (style.clipPath !== "none" && edge.width <= 2) return false
    const cut = style.overflowX !== "visible" || style.overflowY !== "visible"
    if (cut && up !== document.documentElement && up !== document.body &&
      (edge.right <= box.left || edge.left >= box.right || edge.bottom <= box.top || edge.top >= box.bottom)) return false
  }
  return true
}
const where = (one) => {
  const path = []
  for (let up = one; up && path.length < 5; up = parent_of(up)) {
    path.unshift(up.tagName.toLowerCase() + (typeof up.className === "string" && up.className ? "." + up.className.trim().split(/\\s+/).join(".") : ""))
  }
  return path.join(" > ")
}
"""

CONTRAST = (
    "() => {"
    + WALK
    + """
const parse = (colour) => {
  const parts = colour.match(/[\\d.]+/g).map(Number)
  if (colour.startsWith("color(srgb")) return [...parts.slice(0, 3).map((one) => one * 255), parts[3] ?? 1]
  return [parts[0], parts[1], parts[2], parts[3] ?? 1]
}
const over = ([r, g, b, a], below) => [r, g, b].map((one, k) => one * a + below[k] * (1 - a))
const light = (rgb) => rgb.map((one) => one / 255).map((one) => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4)
  .reduce((sum, one, k) => sum + one * [0.2126, 0.7152, 0.0722][k], 0)
const ratio = (one, other) => {
  const [high, low] = [light(one), light(other)].sort((a, b) => b - a)
  return (high + 0.05) / (low + 0.05)
}
// What is painted behind, from the canvas up; opacity makes all of an element paler.
const behind = (one) => {
  const chain = []
  for (let up = one; up; up = parent_of(up)) chain.unshift(up)
  let ground = [255, 255, 255]
  for (const up of chain) ground = over(parse(getComputedStyle(up).backgroundColor), ground)
  return ground
}
const pale = (one) => {
  let share = 1
  for (let up = one; up; up = parent_of(up)) share *= Number(getComputedStyle(up).opacity)
  return share
}
const wrong = new Map()
for (const one of all()) {
  const text = [...one.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data.trim()).join(" ").trim()
  const typed = one.matches("input:not([type=checkbox], [type=radio]), textarea, select") ? one.value || one.placeholder : ""
  const words = text || typed
  if (!words || one.matches("style, script, title, noscript, option, template") || !seen(one)) continue
  // What cannot be used now is exempt.
  if (one.closest(":disabled, [aria-disabled=true]")) continue
  const style = getComputedStyle(one)
  const ground = behind(one)
  const svg = one instanceof SVGElement
  const ink = parse(svg ? (style.fill === "none" ? style.stroke : style.fill) : style.color)
  const found = ratio(over([ink[0], ink[1], ink[2], ink[3] * pale(one)], ground), ground)
  const size = parseFloat(style.fontSize), bold = Number(style.fontWeight) >= 700
  const least = size >= 24 || (bold && size >= 18.66) ? 3 : 4.5
  if (found < least) wrong.set(where(one) + style.color, {words: words.slice(0, 40), ratio: Math.round(found * 100) / 100, ink: style.color, ground: ground.map(Math.round), where: where(one)})
}
return [...wrong.values()]
}"""
)
"""Text that has less contrast to what is behind it than WCAG 2.2 AA asks for."""

NAMES = (
    "() => {"
    + WALK
    + """
const wrong = []
const named = (one) => (one.getAttribute("aria-label") ?? "").trim() || one.textContent.trim() || (one.title ?? "").trim() || one.alt?.trim()
  || (one.getAttribute("aria-labelledby") ?? "").split(/\\s+/).some((id) => id && one.getRootNode().getElementById(id)?.textContent.trim())
  || [...(one.labels ?? [])].some((label) => label.textContent.trim())
for (const one of all()) {
  const role = one.getAttribute("role")
  if (!one.matches("button, a[href], input:not([type=hidden]), select, textarea, img, [role=button], [role=tab], [role=grid], [role=img], [role=radio], [role=checkbox]")) continue
  if (!seen(one) || one.closest("[aria-hidden=true]") || role === "presentation") continue
  if (one.matches("img") && one.getAttribute("alt") === "") continue
  if (!named(one)) wrong.push({where: where(one)})
}
return wrong
}"""
)
"""Controls and pictures that have no name."""

OVERFLOW = (
    "() => {"
    + WALK
    + """
const wrong = new Map()
if (document.scrollingElement.scrollWidth > innerWidth) wrong.set("page", {where: "page", wide: document.scrollingElement.scrollWidth})
for (const one of all()) {
  if (!seen(one) || one.matches("svg *, canvas, option")) continue
  const style = getComputedStyle(one), box = one.getBoundingClientRect()
  if (box.left < -1 && box.right > 0 || box.right > innerWidth + 1 && box.left < innerWidth) {
    let scrolls = false
    for (let up = parent_of(one); up; up = parent_of(up)) scrolls ||= /auto|scroll/.test(getComputedStyle(up).overflowX) && up !== document.documentElement
    if (!scrolls) wrong.set(where(one), {where: where(one), left: box.left, right: box.right})
  }
  const text = [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim())
  if (text && one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0 && style.overflowX === "hidden" && !one.title && !one.closest("[title]"))
    wrong.set(where(one) + "cut", {where: where(one), cut: one.textContent.trim().slice(0, 60)})
}
return [...wrong.values()]
}"""
)
"""What sticks out of the window, and text that is cut with no way to read the rest."""

_KEYS = """
const key_of = (one) => {
  window.__keys ??= new WeakMap()
  if (!window.__keys.has(one)) window.__keys.set(one, `${where(one)} #${window.__count = (window.__count ?? 0) + 1}`)
  return window.__keys.get(one)
}
"""

REACHABLE = (
    "() => {"
    + WALK
    + _KEYS
    + """
// One of a group that the arrow keys go through stands for all of it.
const groups = "[role=toolbar], [role=grid], [role=group], [role=radiogroup], [role=tablist], table"
const stops = [...all()].filter((one) => one.matches("button, a[href], input:not([type=hidden]), select, textarea, summary, [tabindex], [role=button]")
  && seen(one) && !one.closest(":disabled, [aria-hidden=true], [inert]") && !one.matches(":disabled"))
const grouped = (one) => {
  for (let up = parent_of(one); up; up = parent_of(up)) {
    if (up.matches(groups) && (up.tabIndex >= 0 || [...up.querySelectorAll("*")].some((other) => other.tabIndex >= 0 && seen(other)))) return true
  }
  return false
}
const radio = (one) => one.matches("input[type=radio]") && !one.checked
return stops.filter((one) => !radio(one) && (one.tabIndex >= 0 || !grouped(one))).map(key_of)
}"""
)
"""What the Tab key must come to: all that can be worked, or the group that it belongs to."""

FOCUSED = (
    "() => {"
    + WALK
    + _KEYS
    + """
let one = document.activeElement
while (one?.shadowRoot?.activeElement) one = one.shadowRoot.activeElement
if (one == null || one === document.body) return null
const ringed = (part) => {
  const style = getComputedStyle(part)
  return (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== "none"
}
// The ring may be drawn around, or inside, what has the focus.
let shown = ringed(one) || [...one.children].some(ringed)
for (let up = parent_of(one), far = 0; up && far < 2 && !shown; up = parent_of(up), far++) shown = ringed(up)
shown ||= one.matches(".Mui-focusVisible") || one.querySelector(".Mui-focusVisible, .MuiTouchRipple-ripplePulsate") != null
return {key: key_of(one), where: where(one), shown}
}"""
)
"""What has the focus, and whether a person sees that it has."""
