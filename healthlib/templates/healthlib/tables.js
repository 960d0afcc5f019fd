// Headings of tables of 8 rows or more sort; above more than 10 a field filters. Made here, so that without script nothing dead is shown.
// A sort goes by the machine value of a cell (data, the figure before an interval, band, month), else by its words; unknown comes last,
// and rows that sum up the others are no part of it: they stay last, and are hidden while only some of the others are shown.
(() => {
const make = (tag, props, ...inside) => { const made = Object.assign(document.createElement(tag), props); made.append(...inside); return made }
const plain = text => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase()
const words = new Intl.Collator([], {numeric: true}), clears = []
const worth = cell => {
  const text = cell.textContent.trim(), data = cell.querySelector("data"), band = cell.querySelector(".band")
  if (!text || text === "–") return null
  if (data) return isFinite(data.value) ? +data.value : data.value
  const [, minus, digits, unit] = cell.querySelector(".ends")?.firstChild.textContent.match(/^([^\d−]*−)?[^\d]*([\d.,]+)([kMB]?)/) ?? []
  if (digits) return (minus ? -1 : 1) * digits.replaceAll(",", "") * 1000 ** " kMB".indexOf(unit || " ")
  if (band && text.startsWith(band.textContent)) return band.className.match(/tone(\d+)/)?.[1].padEnd(2, 0) ?? null
  const month = text.match(/^(?:to )?([A-Z]\w\w \d{4})$/)
  return month ? new Date(`1 ${month[1]} UTC`).toJSON() : plain(text)
}
for (const table of document.querySelectorAll(".scroll>table")) {
  const box = table.parentNode, next = box.nextElementSibling, rest = next?.matches(".rest") && next
  const bodies = [table.tBodies[0], ...rest ? rest.querySelectorAll("tbody") : []], heads = [...table.tHead.rows[0].cells]
  const top = rest ? bodies[0].rows.length : 1e9
  let rows = bodies.flatMap(body => [...body.rows]), fits = () => true
  const all = rows.length, count = make("output", {}, all + " rows")
  if (box.closest(".rest") || all < 8 || rows.some(row => row.cells.length !== heads.length)) continue
  const lay = () => {
    const found = rows.filter(fits), more = found.length - top
    for (const row of rows) row.hidden = !fits(row)
    for (const sum of table.querySelectorAll(".whole")) sum.hidden = found.length < all
    bodies.forEach((body, i) => body.append(...i ? found.slice(top) : found.slice(0, top)))
    if (rest) rest.hidden = more < 1, rest.firstChild.textContent = `Show ${more} more row${more > 1 ? "s" : ""}`
    count.value = found.length < all ? `${found.length} of ${all}` : all + " rows"
  }
  heads.forEach((head, i) => {
    const cells = rows.map(row => row.cells[i]), keys = cells.map(worth).filter(key => key !== null)
    const unread = cells.filter(cell => !cell.querySelector("data,.ends,.band") && /^[−+±$€£¥]?\s?\d/.test(cell.textContent))
    if (!head.textContent || !keys.length || unread.length * 2 > all) return
    table.classList.add("sorts")
    head.replaceChildren(make("button", {type: "button", onclick() {
      const up = head.ariaSort ? head.ariaSort === "descending" : keys.some(key => key.at)
      for (const one of heads) one.ariaSort = null
      head.ariaSort = up ? "ascending" : "descending"
      const order = ([a], [b]) => a === null || b === null ? (a === null) - (b === null) : (up ? 1 : -1) * (a.at || b.at ? words.compare(a, b) : a - b)
      rows = rows.map(row => [worth(row.cells[i]), row]).sort(order).map(([, row]) => row)
      lay()
    }}, ...head.childNodes))
  })
  if (all < 11) continue
  const field = make("input", {type: "search", ariaLabel: "Filter: " + table.caption.textContent, oninput() {
    const asked = plain(field.value).split(" ")
    fits = row => asked.every(word => plain(row.textContent).includes(word))
    lay()
  }, onkeydown(event) { if (event.key === "Escape") clear() }})
  const clear = () => { field.value = ""; field.oninput() }
  clears.push(clear)
  box.before(make("div", {className: "tools"}, make("label", {}, "Filter ", field), count))
}
onbeforeprint = () => clears.forEach(clear => clear())
})()
