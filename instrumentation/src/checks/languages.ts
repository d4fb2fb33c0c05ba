/** How a language shows: by its script and, where others share the script, by its commonest words. */
export interface Language {
  readonly script: Script;
  /** In small letters; empty where the script alone tells. */
  readonly words: ReadonlySet<string>;
}

export const scripts = {
  latin: /\p{Script=Latin}+/gu,
  cyrillic: /\p{Script=Cyrillic}+/gu,
  greek: /\p{Script=Greek}+/gu,
  arabic: /\p{Script=Arabic}+/gu,
  hebrew: /\p{Script=Hebrew}+/gu,
  devanagari: /\p{Script=Devanagari}+/gu,
  thai: /\p{Script=Thai}+/gu,
  hangul: /\p{Script=Hangul}+/gu,
  han: /\p{Script=Han}+/gu,
  kana: /[\p{Script=Hiragana}\p{Script=Katakana}]+/gu,
} as const;
export type Script = keyof typeof scripts;

function language(script: Script, words = ''): Language {
  return { script, words: new Set(words.split(' ').filter(word => word !== '')) };
}

/** By the codes of ISO 639-1. */
export const languages: Readonly<Record<string, Language>> = {
  en: language(
    'latin',
    'the of and to in is that it for was on are with as be this have from or by not but you they which we an at can will there their has if all would your',
  ),
  de: language(
    'latin',
    'der die das und ist in den von zu mit sich des auf für nicht ein eine als auch es an werden aus er hat dass sie nach wird bei einer um am sind noch wie einem über einen ich kann oder wenn',
  ),
  fr: language(
    'latin',
    "de la le et les des en un une du dans est que pour qui par sur au plus pas ne se ce il sont avec son sa ou cette être nous vous c'est aux elle mais leur",
  ),
  es: language(
    'latin',
    'de la que el en y los se del las un por con una su para es al lo como más pero sus le ya o este sí porque esta entre cuando muy sin sobre también hay son',
  ),
  it: language(
    'latin',
    'di che è la il un a per in una non sono le si con da del i dei della come anche più lo ma gli al nel ha alla questo nella ci delle se sua suo o essere',
  ),
  pt: language(
    'latin',
    'de a o que e do da em um para é com não uma os no se na por mais as dos como mas foi ao ele das tem à seu sua ou ser quando muito há nos já está também pelo',
  ),
  nl: language(
    'latin',
    'de van het een en in is dat op te zijn met voor niet aan er die om ook als bij dan of naar uit maar door over nog wordt deze je kan ze wat worden heeft dit hun',
  ),
  sv: language(
    'latin',
    'och i att det som en på är av för med den till inte om ett har de kan så från eller var vi när men man jag hur ska också vid efter du sig',
  ),
  da: language(
    'latin',
    'og i at det er en til på som af for med den der ikke de et har kan fra om men vi så var man skal eller når hvis jeg også efter ved du sig',
  ),
  nb: language(
    'latin',
    'og i det er på en til som av for at med den ikke de har et kan fra om men vi så var skal eller når hvis jeg også etter ved du seg',
  ),
  fi: language(
    'latin',
    'ja on ei että se oli hän mutta kun ovat myös joka sen tai niin ole kuin voi jos ne hänen sekä nyt vain ollut siitä mitä tämä sitä jotka',
  ),
  pl: language(
    'latin',
    'w i na z się nie do to że jest o jak a po co od za przez dla ale są tym ten może już być jego czy oraz tego lub które bardzo można także',
  ),
  cs: language(
    'latin',
    'a se v na je že s to z do i o jako za pro by ale si které při nebo který po jsou jeho tak od bylo aby také být může ve jen jsem není',
  ),
  hu: language(
    'latin',
    'a az és hogy nem is egy ez azt meg van csak de ha mint volt már vagy még ki lehet kell sem el minden után amely ezt nagyon mert között',
  ),
  ro: language(
    'latin',
    'de și în a la cu o pe nu care este un din se că sau mai pentru prin sunt au fost dar ce să al le ca fi această sale după dacă poate lui ei',
  ),
  tr: language(
    'latin',
    've bir bu da de için ile çok daha olarak gibi olan ne en sonra kadar ama var ise her o değil olduğu ya mi veya ki göre şey hem olur',
  ),
  id: language(
    'latin',
    'yang dan di dengan untuk dari ini itu tidak pada dalam akan adalah ke juga atau anda dapat oleh bisa kami kita mereka sebagai lebih ada saya seperti telah',
  ),
  vi: language(
    'latin',
    'và là của có cho không được các một với những trong để này người khi đã đến từ cũng như ra vào lại nhiều nhưng bạn về thì sẽ hay trên',
  ),
  ru: language(
    'cyrillic',
    'и в не на что с по как это к но из у за от так для же все или он она они был если то его её бы можно при также только вы мы когда чтобы',
  ),
  uk: language(
    'cyrillic',
    'і в не на що з та як це до але із у за від так для ж всі або він вона вони був якщо то його її би можна при також тільки ви ми коли щоб є й',
  ),
  bg: language(
    'cyrillic',
    'и в не на че с по как това към но из у за от така да се е са или той тя те беше ако то му ще може при също само вие ние когато като',
  ),
  el: language('greek'),
  ar: language(
    'arabic',
    'في من على أن إلى هذا هذه التي الذي عن مع كان هو هي ما لا أو كل بعد قد بين كما ذلك عند',
  ),
  fa: language('arabic', 'و در به از که این را با است برای آن یک می خود تا بر هم نیز شده هر اما باشد یا شود'),
  he: language('hebrew'),
  hi: language('devanagari'),
  th: language('thai'),
  ko: language('hangul'),
  zh: language('han'),
  ja: language('kana'),
};
