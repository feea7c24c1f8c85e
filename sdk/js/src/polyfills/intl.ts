/** `Intl`: dates and numbers, with all of IANA's time zones. The locales' data and the zones follow in the build, where the bot asks for more than English. */
import "@formatjs/intl-getcanonicallocales/polyfill-force.js";
import "@formatjs/intl-locale/polyfill-force.js";
import "@formatjs/intl-pluralrules/polyfill-force.js";
import "@formatjs/intl-numberformat/polyfill-force.js";
import "@formatjs/intl-datetimeformat/polyfill-force.js";
