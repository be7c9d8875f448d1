'use strict'

const EXAMPLES = [
  '(ptr, size_t, ptr, ...int, f64) -> int',
  '({f64, f64}) -> {f64, f64}',
  '(i32, {f32, f32, f32}, {i64, f64}) -> {i64, f64}',
  '({u8, u16, f32}, long, longdouble) -> c64',
  '(i64, i64, i64, i64, i64, i64, i64, {i32, [f64; 3]}, bool) -> {i64, i64, i64}',
  '(i32, f64, v128) -> (i32, i64)',
]

const byId = id => document.getElementById(id)

/** An element with a class and what is in it. */
function element(name, className, ...children) {
  const made = document.createElement(name)
  if (className) made.className = className
  made.append(...children.filter(child => child != null))
  return made
}

// A hue for each value, far from those before.
const hue = index => (index * 137.5 + 210) % 360

function coloured(made, index) {
  made.style.setProperty('--hue', hue(index))
  return made
}

const place = ({ register, stack, returnArea }) =>
  register ?? (stack !== undefined ? `[sp+${stack}]` : `[area+${returnArea}]`)

/** A value as its bytes, cut into pieces. */
function drawValue(letter, index, value, hueIndex) {
  const name = `${letter}${index} ${value.type}`
  const bytes = element('div', 'bytes')
  const span = (size, made) => {
    made.style.flex = `${size} ${size} 0`
    bytes.append(made)
  }
  let end = 0
  const pieces = value.byReference ? [] : [...value.pieces].sort((a, b) => a.offset - b.offset)
  for (const piece of pieces) {
    // Some values go to two places at once.
    if (piece.offset < end) continue
    if (piece.offset > end) span(piece.offset - end, element('span', 'hole'))
    const places = pieces.filter(other => other.offset === piece.offset).map(other => place(other.place))
    span(piece.size, coloured(element('span', 'piece', places.join(' and ')), hueIndex))
    end = piece.offset + piece.size
  }
  if (end < value.size) {
    const whole = value.size > 0 && !pieces.length
    span(value.size - end, whole ? coloured(element('span', 'piece', value.text), hueIndex) : element('span', 'hole'))
  }
  const plural = value.size === 1 ? 'byte' : 'bytes'
  const title = element('div', '', element('span', 'name', name), ' ', element('span', 'size', `${value.size} ${plural}`))
  // What a narrow piece has no room for.
  const where = pieces.length > 1 ? element('div', 'where', value.text) : null
  return element('div', 'value', title, value.size ? bytes : null, where)
}

/** Memory in words of eight bytes, the last one first. Words without a value are one row. */
function drawMemory(base, size, parts) {
  const table = element('table', '')
  const row = (from, to, text, index) => {
    const label = to > from + 8 ? `${base}+${from}..${to}` : `${base}+${from}`
    const word = element('td', index === undefined ? 'word' : 'word holds', text)
    if (index !== undefined) coloured(word, index)
    table.append(element('tr', '', element('td', '', label), word))
  }
  const held = word => parts.filter(({ at, size }) => at < word + 8 && at + size > word)
  // Two words that hold the rest of one value look alike.
  const same = (one, other) => one.length === other.length && one.length < 2 && one[0] === other[0]
  for (let to = Math.ceil(size / 8) * 8, from; to > 0; to = from) {
    const here = held(from = to - 8)
    while (from > 0 && same(held(from - 8), here)) from -= 8
    const inside = part => here.length > 1 || part.at % 8 ? `${part.name} at ${base}+${part.at}` : part.name
    row(from, to, here.map(inside).join(', ') || '–', here[0]?.index)
  }
  return table
}

function drawConvention({ name, layout }) {
  const section = element('section', '', element('h2', '', name))
  section.id = name
  const drawing = layout.Ok
  if (!drawing) {
    section.append(element('p', 'refused', layout.Err))
    return section
  }
  const { params, results } = drawing
  const onStack = [], inArea = []
  const collect = (letter, values, first) => values.forEach((value, i) => {
    for (const { offset, size, place } of value.pieces) {
      const what = value.byReference ? `address of ${letter}${i}` : `${letter}${i}`
      const bytes = value.pieces.length > 1 ? ` ${offset}..${offset + size}` : ''
      const part = { size, name: what + bytes, index: first + i }
      if (place.stack !== undefined) onStack.push({ ...part, at: place.stack })
      if (place.returnArea !== undefined) inArea.push({ ...part, at: place.returnArea })
    }
  })
  collect('p', params, 0)
  collect('r', results, params.length)
  const pointer = drawing.returnPointer
  if (pointer?.stack !== undefined) onStack.push({ at: pointer.stack, size: 8, name: 'return pointer', index: -1 })

  const facts = element('dl', '')
  const fact = (term, text) => facts.append(element('dt', '', term), element('dd', '', text))
  if (drawing.contexts.length) fact('contexts', drawing.contexts.map(place).join(', '))
  if (pointer) fact('return pointer', place(pointer))
  if (drawing.vectorRegisters != null) fact('vector registers', `${drawing.vectorRegisters} in al`)
  fact('argument area', `${drawing.argumentArea} bytes`)
  if (drawing.returnArea) fact('return area', `${drawing.returnArea} bytes`)
  section.append(facts)

  const part = (title, children) => {
    if (children.length) section.append(element('h3', '', title), ...children)
  }
  part('Parameters', params.map((value, i) => drawValue('p', i, value, i)))
  part('Results', results.map((value, i) => drawValue('r', i, value, params.length + i)))
  if (drawing.argumentArea) part('Stack at the call', [drawMemory('sp', drawing.argumentArea, onStack)])
  if (drawing.returnArea) part('Return area', [drawMemory('area', drawing.returnArea, inArea)])
  return section
}

function start(explain) {
  const input = byId('signature'), problem = byId('problem'), main = byId('conventions'), form = byId('form')

  function draw() {
    const text = input.value
    const page = explain(text)
    const refused = page.refused
    input.setAttribute('aria-invalid', Boolean(refused))
    problem.replaceChildren()
    if (refused) {
      const mark = refused.position == null ? '' : `${text}\n${' '.repeat(refused.position)}^`
      problem.append(element('pre', '', mark), element('p', '', refused.message))
      main.replaceChildren()
      return
    }
    const kind = new FormData(form).get('kind')
    const shown = page.layouts.conventions.filter(({ name }) => name.endsWith(kind))
    main.replaceChildren(...shown.map(drawConvention))
    history.replaceState(null, '', '#' + encodeURIComponent(text))
  }

  function fromAddress() {
    let text = ''
    try {
      text = decodeURIComponent(location.hash.slice(1))
    } catch {
      // The address ends in half an escape: start with an example.
    }
    input.value = text || EXAMPLES[2]
    draw()
  }

  for (const text of EXAMPLES) {
    const button = element('button', '', text)
    button.type = 'button'
    button.addEventListener('click', () => {
      input.value = text
      draw()
      input.focus()
    })
    byId('examples').append(button)
  }
  form.addEventListener('submit', event => event.preventDefault())
  form.addEventListener('input', draw)
  addEventListener('hashchange', fromAddress)
  fromAddress()
  input.focus()
}

WebAssembly.instantiate(Uint8Array.from(atob(WASM), c => c.charCodeAt(0))).then(({ instance }) => {
  const { memory, room, answer, answer_bytes } = instance.exports
  start(text => {
    const bytes = new TextEncoder().encode(text)
    const to = room(bytes.length)
    new Uint8Array(memory.buffer, to, bytes.length).set(bytes)
    const from = answer()
    return JSON.parse(new TextDecoder().decode(new Uint8Array(memory.buffer, from, answer_bytes())))
  })
}).catch(error => {
  byId('problem').textContent = `This page needs WebAssembly: ${error}`
})
