export default {
  build: { outDir: 'bundle', lib: { entry: 'bundled.js', formats: ['es'], fileName: 'bundled' } },
}
