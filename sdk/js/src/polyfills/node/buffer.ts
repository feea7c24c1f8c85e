/** Node's module `buffer`. */
export { Buffer } from "buffer/";
