import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

/** `npm run build` makes `dist`, which `vigie serve` serves at `/ops/`. */
export default defineConfig({
  root: import.meta.dirname,
  // Relative, so that a proxy may serve it below a path of its own.
  base: './',
  plugins: [react()],
  logLevel: 'warn',
  build: {
    target: 'es2022',
    // The server's Content-Security-Policy permits files of its own, and nothing inline.
    assetsInlineLimit: 0,
    modulePreload: false,
  },
})
