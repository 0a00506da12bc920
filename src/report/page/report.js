"use strict"; document.title = JSON.parse(document.getElementById("data").textContent).title;
