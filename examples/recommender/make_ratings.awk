# Ratings of 400 people for 120 films with hidden tastes, gaps, a few repeated and broken lines.
#   awk -f make_ratings.awk > ratings.csv
function noise(  i, s) { s = 0; for (i = 0; i < 12; i++) s += rand(); return s - 6 }
BEGIN {
    srand(1); OFS = ","; split("drama comedy action horror", kinds, " ")
    for (u = 0; u < 400; u++) {
        for (k = 0; k < 3; k++) taste[u, k] = noise()
        age[u] = int(18 + 60 * rand()); income[u] = int(20000 + 60000 * rand())
    }
    for (f = 0; f < 120; f++) for (k = 0; k < 3; k++) trait[f, k] = noise()
    print "user", "film", "genre", "age", "income", "stars"
    for (i = 0; i < 12000; i++) {
        u = int(400 * rand()); f = int(120 * rand()); s = 3.2 + 0.4 * noise()
        for (k = 0; k < 3; k++) s += 0.45 * taste[u, k] * trait[f, k]
        s = s < 0.5 ? 0.5 : s > 5 ? 5 : int(2 * s + 0.5) / 2
        print "u" u, "f" f, rand() < 0.05 ? "?" : kinds[1 + f % 4], rand() < 0.1 ? "NA" : age[u], \
            rand() < 0.1 ? "" : income[u], rand() < 0.02 ? "" : rand() < 0.01 ? 99 : s
    }
}
