// The pages work without this. It copies shown texts, and selects one when it is entered.
document.querySelectorAll("button.copy").forEach(function (button) {
  var source = document.getElementById(button.dataset.copy);
  if (!navigator.clipboard) return;
  button.hidden = false;
  button.addEventListener("click", function () {
    navigator.clipboard.writeText(source.value).then(function () {
      button.textContent = "Copied";
      setTimeout(function () { button.textContent = "Copy"; }, 2000);
    });
  });
});
document.querySelectorAll(".secret textarea").forEach(function (area) {
  area.addEventListener("focus", function () { area.select(); });
});
