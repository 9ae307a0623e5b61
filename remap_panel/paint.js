// Runs when the background of a figure changes: its parts follow, see paint.py.
const canvas = document.createElement("canvas")
canvas.width = canvas.height = 1
const brush = canvas.getContext("2d")
brush.fillStyle = "white"
brush.fillStyle = cb_obj.background_fill_color ?? "white"
brush.fillRect(0, 0, 1, 1)
const [red, green, blue] = brush.getImageData(0, 0, 1, 1).data
const mode = 0.2126 * red + 0.7152 * green + 0.0722 * blue < 128 ? "dark" : "light"
for (const [part, name, both] of coats) part[name] = both[mode]
