// The row of needs: chips of chosen classes, fields of bounds, the best model.

const HOVER = "Weight: how much this class counts against the others"

export function render({model}) {
  const {fields} = model
  const make = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag)
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value)
    made.append(...children)
    return made
  }
  const button = (words, attributes, press) => {
    const made = make("button", {type: "button", ...attributes}, words)
    made.addEventListener("click", press)
    return made
  }

  const chips = make("ul", {class: "chips", "aria-label": "Classes that count"})
  const menu = make("select", {"aria-label": "Add a class that counts"})
  menu.addEventListener("change", () => {
    if (menu.value !== "") model.send_msg({label: Number(menu.value), weight: 1})
  })
  // Hundreds of names are no part of the page until someone wants to choose.
  const fill = () => {
    if (menu.options.length > 1) return
    const chosen = new Set(model.classes.map(([label]) => label))
    menu.append(...model.names.flatMap((name, label) =>
      chosen.has(label) ? [] : [make("option", {value: label}, name)]))
  }
  menu.addEventListener("pointerdown", fill)
  menu.addEventListener("focus", fill)
  const inputs = {}, shown = {}
  const bounds = Object.entries(fields).map(([name, [words, empty]]) => {
    const input = make("input", {type: "text", placeholder: empty, size: "7", "data-need": name,
      autocomplete: "off", spellcheck: "false"})
    const send = () => {
      if (input.value !== model.bounds[name]) model.send_msg({bound: name, text: input.value})
    }
    input.addEventListener("change", send)
    input.addEventListener("keydown", (event) => { if (event.key === "Enter") send() })
    inputs[name] = input
    return make("label", {}, words, input)
  })
  const [parameters, ...others] = bounds
  const more = make("details", {"aria-label": "More needs"}, make("summary", {}, "more"), make("div", {class: "more"}, ...others))
  const standing = make("span", {class: "standing", role: "status"})
  const problem = make("p", {class: "problem", role: "alert"})
  const best = button("", {class: "best", title: "keep it in the drawer and inspect it"},
    () => model.send_msg({press: "best"}))
  const front = button("+ front", {title: "add the Pareto front under these needs to the drawer"},
    () => model.send_msg({press: "front"}))
  const clear = button("clear", {title: "need nothing in particular"},
    () => model.send_msg({press: "clear"}))
  const root = make(
    "form", {class: "needs", "aria-label": "Needs"},
    make("div", {class: "line"}, make("strong", {}, "Needs"), chips, menu, parameters, more, clear),
    make("div", {class: "line"}, best, front, standing), problem,
  )
  root.addEventListener("submit", (event) => event.preventDefault())

  function show() {
    const chosen = new Set(model.classes.map(([label]) => label))
    chips.replaceChildren(...model.classes.map(([label, name, weight]) => {
      const weighs = make("input", {type: "number", min: "0.1", step: "any", value: weight,
        title: HOVER, "aria-label": `weight of ${name}`})
      weighs.addEventListener("change", () =>
        model.send_msg({label, weight: Number(weighs.value) > 0 ? Number(weighs.value) : null}))
      const gone = button("×", {"aria-label": `${name} counts no more`},
        () => model.send_msg({label, weight: null}))
      const words = make("span", {title: name}, name)
      return make("li", {"data-label": label}, words, ...(chosen.size > 1 ? ["×", weighs] : []), gone)
    }))
    menu.replaceChildren(make("option", {value: ""}, chosen.size ? "+ class" : "any class"))
    menu.hidden = chosen.size === model.names.length
    for (const [name, input] of Object.entries(inputs)) {
      // What a person is typing stays, unless it is what was just taken.
      const words = model.bounds[name] ?? ""
      if (shown[name] !== words || (model.problem === "" && !input.matches(":focus"))) {
        input.value = words
      }
      shown[name] = words
    }
    const needed = model.classes.length > 0 || Object.values(model.bounds).some((text) => text !== "")
    clear.hidden = !needed
    more.classList.toggle("set", Object.entries(model.bounds)
      .some(([name, text]) => name !== "parameters" && text !== ""))
    best.hidden = front.hidden = model.best === ""
    best.replaceChildren("★ best ", make("b", {}, model.best))
    standing.textContent = model.standing
    problem.textContent = model.problem
    problem.hidden = model.problem === ""
  }
  model.on(["classes", "names", "bounds", "best", "standing", "problem"], show)
  show()
  return root
}
