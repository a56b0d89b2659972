// Draws the shaders of fields. One WebGL context serves the whole page, since browsers give few of them: it paints on a
// canvas of its own, from which the others copy.

const HEAD = `#version 300 es
precision highp float; precision highp int; precision highp sampler2D;
uniform sampler2D numbers;
uniform vec2 centre, size;
uniform float halfPixel;
out vec4 painted;
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
  let gl = null, programs = new Map(), textures = new Map(), reason = "", software = false;

  function begin() {
    gl = canvas.getContext("webgl2", { alpha: false, antialias: false, depth: false, preserveDrawingBuffer: true });
    programs = new Map(); textures = new Map();
    if (!gl) {
      reason = "This browser gives no WebGL2";
      return;
    }
    reason = "";
    const told = gl.getExtension("WEBGL_debug_renderer_info");
    software = /swiftshader|llvmpipe|software|basic render/i.test(told ? gl.getParameter(told.UNMASKED_RENDERER_WEBGL) : "");
    gl.bindVertexArray(gl.createVertexArray());
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
    if (gl.getProgramParameter(program, gl.LINK_STATUS) || gl.isContextLost()) return { program };
    const [, fragment] = gl.getAttachedShaders(program);
    return { problem: gl.getShaderInfoLog(fragment) || gl.getProgramInfoLog(program) || "it did not link" };
  }
  function recall(map, key, make, most, drop) {
    if (!map.has(key)) {
      if (map.size >= most) { const [oldest] = map.keys(); drop(map.get(oldest)); map.delete(oldest); }
      map.set(key, make());
    }
    const found = map.get(key);
    map.delete(key); map.set(key, found);  // the newest last
    return found;
  }
  function upload(floats) {
    const rows = Math.max(1, Math.ceil(floats.length / 1024)), padded = new Float32Array(rows * 1024);
    padded.set(floats);
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA32F, 256, rows, 0, gl.RGBA, gl.FLOAT, padded);
    return texture;
  }

  return {
    canvas,
    get reason() { return reason; },
    get software() { return software; },
    lose() { gl?.getExtension("WEBGL_lose_context")?.loseContext(); },
    // A shader {key, code, flat} with numbers, a Float32Array, in a view {x, y, halfPixel}: true if it was drawn.
    draw(shader, view, width, height, flat = software) {
      if (!gl || gl.isContextLost()) return false;
      if (flat && !shader.flat) { reason = "This field is too large for a browser without a graphics processor"; return false; }
      const most = gl.getParameter(gl.MAX_TEXTURE_SIZE);
      if (shader.numbers.length / 1024 > most) { reason = "This field is too large for the graphics processor"; return false; }
      shader.id ??= `${shader.key} ${makePainter.count = (makePainter.count ?? 0) + 1}`;
      const code = () => compile(flat ? baked(shader.flat, shader.numbers) : READ + shader.code);
      const { program, problem } = recall(programs, flat ? shader.id : shader.key, code, 24, (old) => gl.deleteProgram(old.program ?? null));
      if (problem) { reason = `The shader cannot be used here (${problem.trim().slice(0, 200)})`; return false; }
      reason = "";
      if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
      gl.viewport(0, 0, width, height);
      gl.useProgram(program);
      if (!flat) {
        const texture = recall(textures, shader.id, () => upload(shader.numbers), 32, (old) => gl.deleteTexture(old));
        gl.bindTexture(gl.TEXTURE_2D, texture);
      }
      gl.uniform2f(gl.getUniformLocation(program, "centre"), view.x, view.y);
      gl.uniform2f(gl.getUniformLocation(program, "size"), width, height);
      gl.uniform1f(gl.getUniformLocation(program, "halfPixel"), view.halfPixel);
      gl.drawArrays(gl.TRIANGLES, 0, 3);
      if (software) gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));  // so that its time is known
      return true;
    },
  };
}
const painter = () => (window.atelierPainter ??= makePainter());
