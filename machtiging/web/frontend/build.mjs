// Make the assets of the portal: one pruned stylesheet, one icon sprite, fonts and the script, with hashes in their names.
// Usage: node build.mjs SOURCES PACKAGES OUTPUT TEMPLATES. `build.py` calls it.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [sources, packages, output, ...templates] = process.argv.slice(2);
const require = createRequire(pathToFileURL(join(packages, "package.json")));
const { PurgeCSS } = require("purgecss");
const { transform } = require("lightningcss");
const inPackage = (path) => join(packages, "node_modules", path);
const read = (path) => readFileSync(path, "utf8");
const manifest = {};

function write(name, content) {
  const hash = createHash("sha256").update(content).digest("hex").slice(0, 12);
  const dot = name.lastIndexOf(".");
  manifest[name] = `${name.slice(0, dot)}.${hash}${name.slice(dot)}`;
  writeFileSync(join(output, manifest[name]), content);
  return manifest[name];
}

// Two families, two weights, and two subsets: a browser fetches a subset only for a letter that is on the page.
const FONTS = [
  ["Source Sans 3", "source-sans-3"],
  ["Atkinson Hyperlegible Next", "atkinson-hyperlegible-next"],
];
const RANGES = {
  latin: "U+0000-00FF, U+0131, U+0152-0153, U+02BB-02BC, U+02C6, U+02DA, U+02DC, U+2000-206F, U+20AC, U+2122, U+2191, U+2193, U+2212, U+2215, U+FEFF, U+FFFD",
  "latin-ext": "U+0100-0130, U+0132-0151, U+0154-02BA, U+02BD-02C5, U+02C7-02CC, U+02CE-02D7, U+02DD-02FF, U+1D00-1DBF, U+1E00-1E9F, U+1EF2-1EFF, U+20A0-20AB, U+20AD-20C0, U+2113, U+2C60-2C7F, U+A720-A7FF",
};

function fontFaces() {
  const faces = [];
  for (const [family, folder] of FONTS)
    for (const weight of [400, 700])
      for (const [subset, range] of Object.entries(RANGES)) {
        const file = `${folder}-${subset}-${weight}-normal.woff2`;
        const name = write(file, readFileSync(inPackage(`@fontsource/${folder}/files/${file}`)));
        faces.push(`@font-face { font-family: "${family}"; font-weight: ${weight}; font-display: swap;
          src: url("${name}") format("woff2"); unicode-range: ${range}; }`);
      }
  return faces.join("\n");
}

// The theme's accent is purple; ours is its blue, so that purple is free for "the post of somebody else".
const blue = (css) => css.replaceAll("var(--ma-color-paars-", "var(--ma-color-blauw-");

function theme() {
  const tokens = "@nl-design-system-community/ma-design-tokens/dist/";
  const light = blue(read(inPackage(tokens + "theme.css")));
  const dark = blue(read(inPackage(tokens + "color-scheme-dark/theme.css")));
  return `${light}\n@media screen and (prefers-color-scheme: dark) {\n${dark.replaceAll(".ma-theme--color-scheme-dark", ".ma-theme")}\n}`;
}

const COMPONENTS = [
  "@utrecht/component-library-css/dist/index.css",
  "@rijkshuisstijl-community/components-css/dist/index.css",
  "@gemeente-denhaag/process-steps/dist/index.css",
  "@gemeente-denhaag/contact-timeline/dist/index.css",
];

function sprite() {
  const names = read(join(sources, "icons.txt")).split(/\s+/).filter(Boolean);
  const symbols = names.map((name) => {
    const svg = read(inPackage(`@tabler/icons/icons/outline/${name}.svg`));
    const body = svg.slice(svg.indexOf(">", svg.indexOf("<svg")) + 1, svg.lastIndexOf("</svg>"));
    return `<symbol id="${name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round">${body.replace(/\s+/g, " ").trim()}</symbol>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join("")}</svg>`;
}

rmSync(output, { recursive: true, force: true });
mkdirSync(output, { recursive: true });
const layers = [fontFaces(), theme(), ...COMPONENTS.map((path) => read(inPackage(path))), read(join(sources, "portal.css"))];
const scripts = readdirSync(sources).filter((name) => name.endsWith(".js"));
const content = [...templates, ...scripts.map((name) => join(sources, name))].map((path) => ({ raw: read(path), extension: "html" }));
const [purged] = await new PurgeCSS().purge({
  content,
  css: [{ raw: layers.join("\n") }],
  defaultExtractor: (text) => text.match(/[A-Za-z0-9_-]+/g) ?? [],
  variables: true,
  keyframes: true,
});
const { code } = transform({ filename: "portal.css", code: Buffer.from(purged.css), minify: true });
write("portal.css", code);
write("icons.svg", sprite());
for (const name of scripts) write(name, read(join(sources, name)));
writeFileSync(join(output, "manifest.json"), JSON.stringify(manifest, null, 1) + "\n");
