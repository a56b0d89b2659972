// Draws the shaders of fields. One WebGL context serves the whole page, since browsers give few of them: it paints on a
// canvas of its own, from which the others copy.

const HEAD = `#version 300 es
precision highp float; precision highp int; precision highp sampler2D;
uniform sampler2D numbers, table;
uniform vec2 centre, size;
uniform float halfPixel;
out vec4 painted;
vec4 T(int i) { return texelFetch(table, ivec2(i & 2047, i >> 11), 0); }
`;
const READ = `vec4 W(int i) { return texelFetch(numbers, ivec2(i & 255, i >> 8), 0); }
mat4 M(int i) { return mat4(W(i), W(i + 1), W(i + 2), W(i + 3)); }
`;
const MAIN = `
void main() {
  vec2 p = vec2(2.0 * gl_FragCoord.x - size.x, size.y - 2.0 * gl_FragCoord.y) * halfPixel + centre;
  painted = vec4(colour(p), 1.0);
}`;
const CORNERS = `#version 300 es
void main() { gl_Position = vec4(vec2((gl_VertexID << 1) & 2, gl_VertexID & 2) * 2.0 - 1.0, 0.0, 1.0); }`;
const MOST_PROGRAMS = 24, MOST_TEXTURES = 32;
const MOVING_MS = 40, RESTING_MS = 700;  // the longest that a picture may take while the hand moves, and when it rests
const FORGOTTEN_MS = 10_000;  // how fast a shader is drawn is measured anew after so long
const UNTIMED = 96 * 96;  // pixels of a picture too small to tell how fast larger ones are

// A shader as the kernel sends it: its words {key, code, flat, deepest, table}, its numbers and its table as bytes.
function shaderOf(words, numbers, table, id = undefined) {
  const holds = words.table === "half" ? new Uint16Array(table.slice().buffer) : table.slice();
  return { ...words, numbers: new Float32Array(numbers.slice().buffer), holds, id };
}

function literal(x) {
  const text = String(Math.fround(x) === x ? +x.toPrecision(8) : x);
  return /[.e]/.test(text) ? text : `${text}.`;
}
// The flat code with its numbers in it: ten times as fast where a processor draws.
function baked(flat, floats) {
  return flat.replace(/W\((\d+)\)/g, (_, k) => `vec4(${[0, 1, 2, 3].map((j) => literal(floats[4 * k + j])).join(", ")})`);
}

function makePainter() {
  const canvas = document.createElement("canvas");
  let gl = null, reason = "", software = false, count = 0;
  let programs = new Map(), textures = new Map(), paces = new Map();

  function begin() {
    gl = canvas.getContext("webgl2", { alpha: false, antialias: false, depth: false, preserveDrawingBuffer: true });
    programs = new Map(); textures = new Map(); paces = new Map();
    if (!gl) {
      reason = "This browser gives no WebGL2";
      return;
    }
    reason = "";
    const told = gl.getExtension("WEBGL_debug_renderer_info");
    software = /swiftshader|llvmpipe|software|basic render/i.test(told ? gl.getParameter(told.UNMASKED_RENDERER_WEBGL) : "");
    gl.bindVertexArray(gl.createVertexArray());
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
  }
  canvas.addEventListener("webglcontextlost", (event) => { event.preventDefault(); gl = null; reason = "The graphics were reset"; });
  canvas.addEventListener("webglcontextrestored", begin);
  begin();

  function compile(code) {
    const program = gl.createProgram();
    for (const [kind, text] of [[gl.VERTEX_SHADER, CORNERS], [gl.FRAGMENT_SHADER, HEAD + code + MAIN]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
      gl.deleteShader(shader);
    }
    gl.linkProgram(program);
    if (gl.getProgramParameter(program, gl.LINK_STATUS) || gl.isContextLost()) {
      const names = ["numbers", "table", "centre", "size", "halfPixel"];
      return { program, places: Object.fromEntries(names.map((name) => [name, gl.getUniformLocation(program, name)])) };
    }
    const [, fragment] = gl.getAttachedShaders(program);
    return { program, problem: gl.getShaderInfoLog(fragment) || gl.getProgramInfoLog(program) || "it did not link" };
  }
  // What was made for a key from the same source, or made now; the oldest of too many are dropped.
  function recall(map, key, source, make, most, drop) {
    let found = map.get(key);
    if (found && found.source !== source) { drop(found.made); found = null; }
    map.delete(key);
    if (!found && map.size >= most) { const [[oldest, old]] = map; drop(old.made); map.delete(oldest); }
    found ??= { source, made: make() };
    map.set(key, found);  // the newest last
    return found.made;
  }
  function upload(values, width, channels, format, layout, type) {
    const rows = Math.max(1, Math.ceil(values.length / channels / width));
    const padded = new values.constructor(rows * width * channels), texture = gl.createTexture();
    padded.set(values);
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    gl.texImage2D(gl.TEXTURE_2D, 0, format, width, rows, 0, layout, type, padded);
    return texture;
  }
  function bind(unit, key, values, make) {
    gl.activeTexture(gl.TEXTURE0 + unit);
    gl.bindTexture(gl.TEXTURE_2D, recall(textures, key, values, make, MOST_TEXTURES, (old) => gl.deleteTexture(old)));
  }

  function draw(shader, view, width, height, flat = software) {
    if (!gl || gl.isContextLost()) return false;
    if (flat && !shader.flat) { reason = "This field is too large for a browser without a graphics processor"; return false; }
    const rows = Math.max(shader.numbers.length / 1024, (shader.holds?.length ?? 0) / (shader.table === "byte" ? 8192 : 4096));
    if (rows > gl.getParameter(gl.MAX_TEXTURE_SIZE)) { reason = "This field is too large for the graphics processor"; return false; }
    shader.id ??= `shader ${++count}`;
    const { program, places, problem } = recall(
      programs, flat ? shader.id : shader.key, flat ? shader.numbers : shader.key,
      () => compile(flat ? baked(shader.flat, shader.numbers) : READ + shader.code), MOST_PROGRAMS, (old) => gl.deleteProgram(old.program),
    );
    if (problem) { reason = `The shader cannot be used here (${problem.trim().slice(0, 200)})`; return false; }
    reason = "";
    if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
    gl.viewport(0, 0, width, height);
    gl.useProgram(program);
    if (!flat) bind(0, `${shader.id} numbers`, shader.numbers, () => upload(shader.numbers, 256, 4, gl.RGBA32F, gl.RGBA, gl.FLOAT));
    if (shader.table === "half") bind(1, `${shader.id} table`, shader.holds, () => upload(shader.holds, 2048, 2, gl.RG16F, gl.RG, gl.HALF_FLOAT));
    if (shader.table === "byte") bind(1, `${shader.id} table`, shader.holds, () => upload(shader.holds, 2048, 4, gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE));
    gl.uniform1i(places.numbers, 0);
    gl.uniform1i(places.table, 1);
    gl.uniform2f(places.centre, view.x, view.y);
    gl.uniform2f(places.size, width, height);
    gl.uniform1f(places.halfPixel, view.halfPixel);
    const began = performance.now();  // textures are uploaded once, whatever the size of the picture
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));  // so that it is done, and its time known
    const now = performance.now(), pace = (now - began) / (width * height), before = paces.get(shader.key)?.pace;
    if (!before || width * height > UNTIMED) paces.set(shader.key, { pace: before ? 0.5 * (before + pace) : pace, at: now });
    return true;
  }

  return {
    canvas,
    get reason() { return reason; },
    get software() { return software; },
    name: () => `shader ${++count}`,  // an id that no other shader has
    // A shader {key, code, flat, table} with its values `numbers` and `holds` in a view {x, y, halfPixel}: true if it was
    // drawn. Shaders of one id follow one another: the textures of the last one go.
    draw,
    // How much smaller than a picture of so many pixels one may be that takes at most so many milliseconds, 1 or less.
    scale(shader, pixels, most) {
      if (performance.now() - (paces.get(shader.key)?.at ?? -Infinity) > FORGOTTEN_MS) {
        for (let k = 0; k < 2; k++) {  // the first time, which may compile, does not count
          paces.delete(shader.key);
          if (!draw(shader, { x: 0, y: 0, halfPixel: 1 / 64 }, 64, 64)) return 1;
        }
      }
      return Math.min(1, Math.sqrt(most / (pixels * paces.get(shader.key).pace)));
    },
  };
}
const painter = () => (window.atelierPainter ??= makePainter());
