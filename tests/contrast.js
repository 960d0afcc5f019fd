// Every text of an open page, its pictures' too, against what it stands on: [ratio, needed, where, words], worst first.
// Pictures are laid open beside themselves in shadow trees, so that each keeps its own style sheet and its colours of the night.
() => {
  const canvas = Object.assign(document.createElement('canvas'), {width: 1, height: 1}).getContext('2d', {willReadFrequently: true});
  const known = new Map();
  const parsed = colour => {
    if (!known.has(colour)) {
      canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = '#000'; canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
      known.set(colour, [r, g, b, a / 255]);
    }
    return known.get(colour);
  };
  const over = (top, under, share = 1) => [0, 1, 2].map(i => top[i] * top[3] * share + under[i] * (1 - top[3] * share)).concat(1);
  const light = c => c.slice(0, 3).map(x => x / 255).map(x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4)
    .reduce((sum, x, i) => sum + x * [0.2126, 0.7152, 0.0722][i], 0);
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
  const parent = e => e.parentElement || (e.getRootNode() instanceof ShadowRoot ? e.getRootNode().host : null);
  const probe = document.body.appendChild(Object.assign(document.createElement('p'), {style: 'background:Canvas'}));
  const sheet = parsed(getComputedStyle(probe).backgroundColor);
  probe.remove();
  const ground = e => {  // the page's colours from the canvas up to this element; a bar behind a figure counts too
    if (!e) return sheet;
    const look = getComputedStyle(e), below = ground(parent(e));
    let here = over(parsed(look.backgroundColor), below);
    const bar = e.previousElementSibling;
    if (bar && bar.tagName === 'I' && getComputedStyle(bar).position === 'absolute')
      here = over(parsed(getComputedStyle(bar).backgroundColor), here, +getComputedStyle(bar).opacity);
    return here;
  };
  const faded = e => { let share = 1; for (let p = e; p; p = parent(p)) share *= +getComputedStyle(p).opacity; return share; };
  const found = [];
  const judge = (e, words, look, colour, under, share) => {
    const size = parseFloat(look.fontSize), large = size >= 24 || (size >= 18.66 && +look.fontWeight >= 700);
    found.push([+ratio(over(colour, under, share), under).toFixed(2), large ? 3 : 4.5,
      `${e.tagName.toLowerCase()}.${e.getAttribute('class') || ''}`, words.trim().slice(0, 40)]);
  };
  const seen = e => e.checkVisibility({visibilityProperty: true, contentVisibilityAuto: true}) && !e.closest('.sr, .skip, script, style, noscript, title');
  document.querySelectorAll('details').forEach(e => { e.open = true; });
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement, look = getComputedStyle(e);
    if (!walk.currentNode.data.trim() || !seen(e)) continue;
    judge(e, walk.currentNode.data, look, parsed(e.ownerSVGElement ? look.fill : look.color), ground(e), faded(e));
  }
  for (const e of document.body.querySelectorAll('*')) for (const place of ['::before', '::after']) {
    const look = getComputedStyle(e, place);
    if (/^(none|normal|"")$/.test(look.content) || !seen(e)) continue;
    judge(e, place + look.content, look, parsed(look.color), ground(e), faded(e) * +look.opacity);
  }
  const open = document.querySelectorAll('img[src^="data:image/svg"]');
  for (const img of open) {
    const box = document.createElement('div'), root = box.attachShadow({mode: 'open'});
    root.innerHTML = new TextDecoder().decode(Uint8Array.from(atob(img.src.split(',')[1]), c => c.charCodeAt(0)));
    img.after(box);
    const page = ground(parent(box));
    box.scrollIntoView({block: 'start', behavior: 'instant'});
    for (const text of root.querySelectorAll('text')) {
      if (!text.textContent.trim()) continue;
      const place = text.getBoundingClientRect(), look = getComputedStyle(text);
      const unders = [0.04, 0.5, 0.96].map(at => {
        const stack = root.elementsFromPoint(place.left + at * place.width, place.top + place.height / 2);
        const marks = stack.slice(stack.indexOf(text) + 1).filter(e => /^(path|rect|use|circle|polygon|ellipse)$/.test(e.tagName));
        return marks.reverse().reduce((below, e) => { const s = getComputedStyle(e);
          /* a hatch: unscored */ return s.fill.startsWith('url') ? parsed('#6b7685') : s.fill === 'none' ? below : over(parsed(s.fill), below, +s.fillOpacity * +s.opacity); }, page);
      });
      for (const under of unders) judge(text, text.textContent, look, parsed(look.fill), under, +look.fillOpacity * +look.opacity);
    }
    for (const e of root.querySelectorAll('path, use, rect')) {
      if (e.closest('defs, clipPath')) continue;
      const s = getComputedStyle(e), place = e.getBoundingClientRect();
      if (place.width * place.height < 1 && place.width + place.height < 4) continue;
      const shades = [[s.fill, +s.fillOpacity], [s.stroke, +s.strokeOpacity]].filter(([c, o]) => c !== 'none' && !c.startsWith('url') && o && parsed(c)[3]);
      if (!shades.length) continue;
      const best = Math.max(...shades.map(([c, o]) => ratio(over(parsed(c), page, o * +s.opacity), page)));
      found.push([+best.toFixed(2), 0, 'mark', shades.map(([c, o]) => c + (o * +s.opacity < 0.5 ? ' shade' : '')).join(' / ')]);
    }
    box.remove();
  }
  return found.sort((a, b) => a[0] / (a[1] || 3) - b[0] / (b[1] || 3));
}
