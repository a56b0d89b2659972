// What networks need beyond GLSL. Graphics processors compute their own sin to three or four digits only, and their tanh
// may overflow; these are good to six digits.

const float PI = 3.14159265;

vec4 sine(vec4 x) {
  vec4 n = round(x * 0.318309886);                        // half turns
  vec4 r = (x - n * 3.140625) - n * 0.000967653590;       // π in two parts, so that the difference keeps its digits
  vec4 q = r * r;
  vec4 s = r * (1.0 + q * (-0.166666667 + q * (0.00833333189 + q * (-0.000198408739 + q * (2.75255700e-6 - 2.38893017e-8 * q)))));
  return s * (1.0 - 2.0 * abs(mod(n, 2.0)));
}
vec4 cosine(vec4 x) { return sine(x + 1.57079633); }
vec2 turned(float phase) { return sine(vec4(phase + 1.57079633, phase, 0.0, 0.0)).xy; }  // cos and sin
vec4 sigmoid(vec4 x) { return 1.0 / (1.0 + exp(-x)); }
float sigmoid(float x) { return 1.0 / (1.0 + exp(-x)); }
vec4 tangent(vec4 x) { return 1.0 - 2.0 / (exp(2.0 * x) + 1.0); }
vec4 gaussian(vec4 x) { return exp(-x * x); }
vec4 triangle(vec4 x) { return 1.0 - abs(mod(x + 1.0, 4.0) - 2.0); }
vec4 softplus(vec4 x) { return max(x, 0.0) + log(1.0 + exp(-abs(x))); }
vec4 below(vec4 x) { return exp(min(x, 0.0)) - 1.0; }  // of elu and selu, 0 for x > 0
vec4 elu(vec4 x) { return max(x, 0.0) + below(x); }
vec4 selu(vec4 x) { return 1.05070099 * (max(x, 0.0) + 1.67326324 * below(x)); }
vec4 gelu(vec4 x) { return 0.5 * x * (1.0 + tangent(0.797884561 * (x + 0.044715 * x * x * x))); }
vec4 erf(vec4 x) {  // Abramowitz and Stegun, 7.1.26
  vec4 t = 1.0 / (1.0 + 0.3275911 * abs(x));
  return sign(x) * (1.0 - t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + 1.061405429 * t)))) * exp(-x * x));
}
vec4 mish(vec4 x) { return x * tangent(softplus(x)); }
vec4 softshrink(vec4 x) { return sign(x) * max(abs(x) - 0.5, 0.0); }

vec3 encoded(vec3 light) {  // linear light to sRGB
  vec3 curved = 1.055 * pow(max(light, 0.0031308), vec3(1.0 / 2.4)) - 0.055;
  return mix(curved, light * 12.92, lessThanEqual(light, vec3(0.0031308)));
}
vec3 fromOklab(vec3 lab) {
  vec3 lms = mat3(1.0, 1.0, 1.0, 0.396337792, -0.105561342, -0.0894841821, 0.215803758, -0.0638541748, -1.29148554) * lab;
  lms = lms * lms * lms;
  mat3 toLight = mat3(4.07674166, -1.26843800, -0.00419608614, -3.30771159, 2.60975740, -0.70341861, 0.230969929, -0.341319396, 1.70761470);
  return encoded(clamp(toLight * lms, 0.0, 1.0));
}

// The folds of the plane: symmetries of a field.
vec2 powered(vec2 p, int n) {  // (r cos nθ, r sin nθ)
  float r = length(p);
  vec2 u = r > 0.0 ? p / r : vec2(1.0, 0.0), w = u;
  for (int k = 1; k < n; k++) w = vec2(w.x * u.x - w.y * u.y, w.x * u.y + w.y * u.x);
  return r * w;
}
vec2 kaleidoscope(vec2 p, float n) {  // the angle folded into one sector of π / n
  float sector = 2.0 * PI / n, k = dot(p, p) > 0.0 ? round(atan(p.y, p.x) / sector) : 0.0;
  vec2 turn = turned(-k * sector);
  p = vec2(p.x * turn.x - p.y * turn.y, p.x * turn.y + p.y * turn.x);
  return vec2(p.x, abs(p.y));
}
vec2 tiled(vec2 p, float tiles) {
  vec2 t = (p + 1.0) * (tiles * 0.5);
  return abs(t - 2.0 * round(t * 0.5)) * 2.0 - 1.0;
}
vec2 spiral(vec2 p) {  // cos and sin of 2π log₂ r + θ
  float r = max(length(p), 1e-30);
  vec2 turn = turned(2.0 * PI * fract(log2(r))), u = p / r;
  return vec2(u.x * turn.x - u.y * turn.y, u.x * turn.y + u.y * turn.x);
}
