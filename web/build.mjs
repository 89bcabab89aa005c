// Builds the page, or the tests of the client library:
//   node build.mjs page OUT [--watch]    the bundle, with hashed names; index.html is written last
//   node build.mjs test OUT              OUT/*.test.mjs, for `node --test`
import { copyFile, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const WEB = dirname(fileURLToPath(import.meta.url));
const [kind, out, ...flags] = process.argv.slice(2);
if (!out || !["page", "test"].includes(kind)) {
  console.error("usage: node build.mjs page|test OUT [--watch]");
  process.exit(2);
}

const common = { bundle: true, format: "esm", target: "es2022", jsx: "automatic", jsxImportSource: "preact", charset: "utf8", logLevel: "warning", absWorkingDir: WEB };

/** The page's HTML. Nothing stands in it that the content security policy would refuse. */
const html = (script, style, imported) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>chatsrv</title>
<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover, interactive-widget=resizes-content">
<meta name="color-scheme" content="light dark">
<meta name="theme-color" media="(prefers-color-scheme: light)" content="#f7f7f7">
<meta name="theme-color" media="(prefers-color-scheme: dark)" content="#1b1b1b">
<link rel="stylesheet" href="/${style}">
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="apple-touch-icon" href="/apple-touch-icon.png">
<link rel="manifest" href="/manifest.webmanifest">
${imported.map((name) => `<link rel="modulepreload" href="/${name}">\n`).join("")}<script type="module" src="/${script}"></script>
</head>
<body><div id="app"></div><noscript>This page needs JavaScript. 此页面需要 JavaScript。</noscript></body>
</html>
`;

/** Write what is not hashed, and index.html last: the server takes that as the sign of a whole build. */
const finish = {
  name: "finish",
  setup(build) {
    build.onEnd(async (result) => {
      if (result.errors.length) return;
      const outputs = Object.entries(result.metafile.outputs);
      const nameOf = (path) => path.split("/").at(-1);
      const [scriptPath, script] = outputs.find(([, { entryPoint }]) => entryPoint?.endsWith("page/main.tsx"));
      const [stylePath] = outputs.find(([path]) => path.endsWith(".css"));
      // Named in the HTML: else they are asked for only when the first script has been read, a round trip later.
      const imported = script.imports.filter(({ kind }) => kind === "import-statement").map(({ path }) => nameOf(path));
      for (const name of await readdir(join(WEB, "page/static"))) await copyFile(join(WEB, "page/static", name), join(out, name));
      const kept = new Set(outputs.map(([path]) => nameOf(path)));
      for (const name of await readdir(out)) if (/-[0-9A-Z]{8}\.(js|css)$/.test(name) && !kept.has(name)) await rm(join(out, name));
      // What the service worker keeps for where there is no network.
      const shell = ["/", ...[...kept, "icon.svg", "apple-touch-icon.png", "beat.js", "manifest.webmanifest"].map((name) => `/${name}`)];
      await writeFile(join(out, "shell.json"), JSON.stringify(shell));
      await writeFile(join(out, "index.html"), html(nameOf(scriptPath), nameOf(stylePath), imported));
    });
  },
};

await mkdir(out, { recursive: true });
if (kind === "test") {
  const tests = (await readdir(join(WEB, "client/test"))).filter((name) => name.endsWith(".test.ts"));
  const entryPoints = tests.map((name) => join(WEB, "client/test", name));
  await esbuild.build({ ...common, entryPoints, outdir: out, outExtension: { ".js": ".mjs" }, platform: "node" });
} else {
  const options = {
    ...common,
    entryPoints: { app: join(WEB, "page/main.tsx") },
    outdir: out,
    minify: true,
    splitting: true,
    metafile: true,
    legalComments: "none",
    entryNames: "[name]-[hash]",
    chunkNames: "[name]-[hash]",
    assetNames: "[name]-[hash]",
    plugins: [finish],
  };
  if (flags.includes("--watch")) await (await esbuild.context(options)).watch();
  else await esbuild.build(options);
}
