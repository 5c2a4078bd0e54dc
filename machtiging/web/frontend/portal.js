// Small improvements. Every page works without this file.
"use strict";

// After a rejected form, go to the summary of what is wrong.
document.getElementById("fouten")?.focus();
