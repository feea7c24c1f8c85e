#!/usr/bin/env node
// `hob-componentize`: a bot in TypeScript to a component. What it does is in ../lib; this file only ends the process.

import { main } from "../lib/main.mjs";

process.exitCode = await main(process.argv.slice(2));
