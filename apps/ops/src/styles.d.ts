/** Vite takes style sheets as modules that are imported for what they do. */
declare module '*.css'
