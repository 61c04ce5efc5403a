// The build step puts uPlot's own module beside this file; here are its types.
export { default } from "uplot";
