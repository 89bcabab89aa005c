/** esbuild takes the style along with the script that imports it. */
declare module "*.css";
