# A table of customers, one line each: awk -f make_customers.awk [-v rows=4000] [-v seed=1] > customers.csv
# One in six leaves. What decides it: plan, how long, how many calls to support, how much is used. Cells are
# missing here and there, a few lines are wrong (a negative age), and some customers stand in the table twice.
function uniform() { state = (state * 1103515245 + 12345) % 2147483648; return state / 2147483648 }
function normal(   i, s) { for (i = 0; i < 12; i++) s += uniform(); return s - 6 }
BEGIN {
  if (!rows) rows = 4000
  state = seed ? seed * 7919 : 7919
  split("basic plus family business", plans)
  split("north south east west", regions)
  print "id,plan,region,\"Age (years)\",months,usage,calls,churn"
  for (i = 1; i <= rows; i++) {
    p = 1 + int(4 * uniform() * uniform() * 1.3); if (p > 4) p = 4
    age = int(18 + 60 * uniform()); months = int(1 + 70 * uniform() ^ 2)
    usage = exp(2 + 0.8 * normal()); calls = int(-log(1 - uniform()) * 1.5)
    score = -3.1 + 0.9 * (p == 1) - 0.6 * (p == 3) - 0.04 * months + 0.8 * calls + 0.25 * normal() + 0.3 * log(usage)
    churn = uniform() < 1 / (1 + exp(-score)) ? "yes" : "no"
    line = i "," (uniform() < 0.05 ? "NA" : plans[p]) "," regions[1 + int(4 * uniform())] ","
    line = line (uniform() < 0.1 ? "" : uniform() < 0.01 ? -1 : age) "," months ","
    line = line (uniform() < 0.2 ? "" : sprintf("%.3f", usage)) "," calls "," churn
    print line
    if (uniform() < 0.02) print line
  }
}
