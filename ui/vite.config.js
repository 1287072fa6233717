import { createHash } from 'node:crypto';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

const sha256 = (text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

/// One file: script and style go into index.html, with a policy that allows exactly these two.
function singleFile() {
  return {
    name: 'single-file',
    enforce: 'post',
    generateBundle(options, bundle) {
      let script = '';
      let style = '';
      for (const [name, part] of Object.entries(bundle)) {
        if (part.type === 'chunk') script += part.code;
        else if (name.endsWith('.css')) style += part.source;
        else continue;
        delete bundle[name];
      }
      script = script.trim().replaceAll('</script', '<\\/script');
      style = style.trim();
      const policy =
        `default-src 'none'; script-src ${sha256(script)}; style-src ${sha256(style)}; ` +
        `connect-src 'self'; img-src data:`;
      const page = bundle['index.html'];
      page.source = page.source
        .replace(/\s*<script type="module"[^>]*><\/script>/g, '')
        .replace(/\s*<link rel="(stylesheet|modulepreload)"[^>]*>/g, '')
        .replace('<title>', () => `<meta http-equiv="Content-Security-Policy" content="${policy}" />\n    <title>`)
        .replace('</head>', () => `<style>${style}</style>\n  </head>`)
        .replace('</body>', () => `<script type="module">${script}</script>\n  </body>`);
    },
  };
}

export default defineConfig({
  plugins: [svelte({ compilerOptions: { runes: true } }), singleFile()],
  build: { target: 'es2022', modulePreload: false, assetsInlineLimit: 100000, cssCodeSplit: false },
  // `npm run dev` beside a running tomograph.
  server: { proxy: { '/api': 'http://127.0.0.1:4318' } },
});
